"""Rotation of a database role's password, in the steps of AWS's own rotation functions.

The new password is AWSPENDING in the secret until the server has it. If a rotation dies in between, the next one
finishes it with the pending password.
"""

import json
import secrets
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from local.errors import HumanError
from provisioning import postgres

PASSWORD_BYTES = 32
TIMEOUT_SECONDS = 10


def rotate(client: Any, secret_id: str) -> str:
    """Change the password of the role in a secret, on its server and in the secret, and return a message.

    In between, for milliseconds, the secret's current password is refused: an attempt that connects then is retried, as
    for any unreachable server. Raise HumanError if the server cannot be reached with either password; then only
    AWSPENDING has changed.
    """
    try:
        document = _read(client, secret_id, "AWSCURRENT")
    except client.exceptions.ResourceNotFoundException:
        raise HumanError(f"there is no secret {secret_id}") from None
    changed = _pending(client, secret_id, document)
    _set(document, changed)
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(changed))
    for version in _versions(client, secret_id, "AWSPENDING"):
        client.update_secret_version_stage(SecretId=secret_id, VersionStage="AWSPENDING", RemoveFromVersionId=version)
    return f"{document['username']} on {document['host']}:{document['port']} has a new password."


def _read(client: Any, secret_id: str, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.get_secret_value(SecretId=secret_id, VersionStage=stage)["SecretString"])
    return found


def _versions(client: Any, secret_id: str, stage: str) -> list[str]:
    versions = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    return [version for version, stages in versions.items() if stage in stages]


def _pending(client: Any, secret_id: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return the pending document; make a new one pending if there is none, or if it equals the current one."""
    if _versions(client, secret_id, "AWSPENDING"):
        waiting = _read(client, secret_id, "AWSPENDING")
        if waiting["password"] != document["password"]:
            return document | {"password": waiting["password"]}
    changed = document | {"password": secrets.token_urlsafe(PASSWORD_BYTES)}
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(changed), VersionStages=["AWSPENDING"])
    return changed


def _set(document: dict[str, Any], changed: dict[str, Any]) -> None:
    """Set the new password on the server, unless it is set, and prove that it opens a connection."""
    try:
        if not _opens(changed):
            with closing(postgres.connect(document, statement_timeout_seconds=TIMEOUT_SECONDS)) as connection:
                # The server gets a verifier: the password itself would appear in its log.
                name = document["username"]
                verifier = encrypt_password(changed["password"], name, connection, "scram-sha-256")
                with connection.cursor() as cursor:
                    names = sql.Identifier(name), sql.Literal(verifier)
                    cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(*names))
        postgres.connect(changed, statement_timeout_seconds=TIMEOUT_SECONDS).close()
    except psycopg2.Error as error:
        where = f"{document['host']}:{document['port']}"
        raise HumanError(f"the password on {where} was not changed: {postgres.describe(error)}") from None


def _opens(document: dict[str, Any]) -> bool:
    try:
        postgres.connect(document, statement_timeout_seconds=TIMEOUT_SECONDS).close()
    except psycopg2.OperationalError:
        return False
    return True
