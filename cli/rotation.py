"""Rotation of a database role's password, in the steps of AWS's own rotation functions.

The new password is AWSPENDING in the secret until the server has it. If a rotation dies in between, the next one
finishes it with the pending password.
"""

import json
import secrets
from contextlib import closing
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from local.errors import Conflict, HumanError, NotFound, Unusable
from provisioning import postgres
from provisioning.aws import documents
from provisioning.aws.secrets_manager import NotFound as NoSecret
from provisioning.aws.secrets_manager import call
from provisioning.errors import Misconfigured

PASSWORD_BYTES = 32
TIMEOUT_SECONDS = 10


class _Pending(NamedTuple):
    """A password on its way to the server: the secret's AWSPENDING version, and the document with the password."""

    version: str
    document: dict[str, Any]


def rotate(client: Any, secret_id: str) -> str:
    """Change the password of the role in a secret, on its server and in the secret, and return a message.

    In between, for milliseconds, the secret's current password is refused: an attempt that connects then is retried, as
    for any unreachable server. Nothing has changed if the secret holds no database credentials, the server cannot be
    reached with them, or it refuses the new password. If it cannot be known whether the server has it, it stays
    AWSPENDING, and the next rotation finishes this one. Raise HumanError, with which of these it is, and what Secrets
    Manager's refusals mean (secrets_manager.call).
    """
    try:
        current = call(secret_id, lambda: client.get_secret_value(SecretId=secret_id))
    except NoSecret:
        raise NotFound(f"there is no secret {secret_id}") from None
    try:
        document = documents.parse(secret_id, current, documents.CREDENTIALS)
    except Misconfigured as error:
        raise Unusable(f"{error}: only database credentials can be rotated") from None
    pending = _pending(client, secret_id, document) or _make_pending(client, secret_id, document)
    try:
        _set(document, pending.document)
    except _Refused as error:
        _withdraw(client, secret_id, pending.version)
        raise Unusable(f"the password on {_where(document)} was not changed: {error}") from None
    except psycopg2.Error as error:
        unknown = f"{postgres.describe(error)}. The new password stays AWSPENDING: rotate again, which finishes it"
        raise HumanError(f"whether the password on {_where(document)} was changed is not known: {unknown}") from error
    _put(client, secret_id, pending.document)
    _withdraw(client, secret_id, pending.version)
    return f"{document['username']} on {_where(document)} has a new password."


class _Refused(Exception):
    """The server has answered, and has the old password."""


def _pending(client: Any, secret_id: str, document: dict[str, Any]) -> _Pending | None:
    """Return what an earlier rotation has left to be finished; withdraw a pending version without a new password."""
    described = call(secret_id, lambda: client.describe_secret(SecretId=secret_id))
    stages = described.get("VersionIdsToStages", {})
    version = next((version for version in stages if "AWSPENDING" in stages[version]), None)
    if version is None:
        return None
    try:
        waiting = call(secret_id, lambda: client.get_secret_value(SecretId=secret_id, VersionId=version))
    except NoSecret:
        # It may be the only copy of the password that the server has.
        said = f"the AWSPENDING version {version} of the secret {secret_id} has no value yet"
        raise Conflict(f"{said}: rotate again later, or remove the label if nobody else rotates it") from None
    try:
        password = documents.parse(secret_id, waiting, {"password": documents.is_text})["password"]
    except Misconfigured:
        password = document["password"]
    if password == document["password"]:
        _withdraw(client, secret_id, version)
        return None
    return _Pending(version, document | {"password": password})


def _make_pending(client: Any, secret_id: str, document: dict[str, Any]) -> _Pending:
    """Make a new password pending, once the current one has opened a connection."""
    try:
        postgres.connect(document, statement_timeout_seconds=TIMEOUT_SECONDS).close()
    except psycopg2.Error as error:
        raise HumanError(f"the password on {_where(document)} was not changed: {postgres.describe(error)}") from error
    changed = document | {"password": secrets.token_urlsafe(PASSWORD_BYTES)}
    # DescribeSecret may not list the version yet, so its id is taken from the answer.
    return _Pending(_put(client, secret_id, changed, "AWSPENDING"), changed)


def _put(client: Any, secret_id: str, document: dict[str, Any], *stages: str) -> str:
    """Store a version with these labels, without one as the current version, and return its id."""
    request = {"SecretId": secret_id, "SecretString": json.dumps(document)} | (
        {"VersionStages": stages} if stages else {}
    )
    return str(call(secret_id, lambda: client.put_secret_value(**request))["VersionId"])


def _withdraw(client: Any, secret_id: str, version: str) -> None:
    request = {"SecretId": secret_id, "VersionStage": "AWSPENDING", "RemoveFromVersionId": version}
    call(secret_id, lambda: client.update_secret_version_stage(**request))


def _set(document: dict[str, Any], changed: dict[str, Any]) -> None:
    """Set the new password on the server, unless it is set, and prove that it opens a connection.

    Raise _Refused if the server refuses it, and psycopg2.Error if the server may have it.
    """
    if not _opens(changed):
        with closing(postgres.connect(document, statement_timeout_seconds=TIMEOUT_SECONDS)) as connection:
            # The server gets a verifier: the password itself would appear in its log.
            name = document["username"]
            verifier = encrypt_password(changed["password"], name, connection, "scram-sha-256")
            try:
                with connection.cursor() as cursor:
                    names = sql.Identifier(name), sql.Literal(verifier)
                    cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(*names))
            except psycopg2.Error as error:
                if error.pgcode is None or postgres.is_transient(error):
                    raise
                raise _Refused(postgres.describe(error)) from None
    postgres.connect(changed, statement_timeout_seconds=TIMEOUT_SECONDS).close()


def _opens(document: dict[str, Any]) -> bool:
    try:
        postgres.connect(document, statement_timeout_seconds=TIMEOUT_SECONDS).close()
    except psycopg2.OperationalError:
        return False
    return True


def _where(document: dict[str, Any]) -> str:
    return f"{document['host']}:{document['port']}"
