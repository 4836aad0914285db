"""One secret per project in Secrets Manager: its credentials, and its raw API keys until they have been shown.

The top level of the document is the format of AWS's own rotation functions: engine, host, port, dbname, username and
password. A secret carries its project and job as tags; what carries another job's tag is never changed or removed.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from provisioning import configuration, secrets_manager
from provisioning.errors import (
    InsufficientPermissions,
    Misconfigured,
    ProvisioningError,
    ResourceConflict,
    SecretsUnavailable,
)

if TYPE_CHECKING:
    from provisioning.job import Job

PASSWORD_BYTES = 32
JWT_SECRET_BYTES = 48
Answer = TypeVar("Answer")


class Credentials:
    """The secret's ARN and the password in it. Neither is in the object's text."""

    def __init__(self, secret_arn: str, password: str) -> None:
        self.secret_arn = secret_arn
        self.password = password


def read(secret_id: str) -> dict[str, Any]:
    """Returns a secret's JSON document. Raises Misconfigured when there is none, SecretsUnavailable to try again."""
    document = read_if_exists(secret_id)
    if document is None:
        raise Misconfigured(f"the secret {secret_id} does not exist")
    return document


def read_if_exists(secret_id: str) -> dict[str, Any] | None:
    """Returns a secret's JSON document, or None when there is no such secret."""
    version = _read_version(secret_id)
    return version.document if version is not None else None


def ensure_credentials(job: "Job") -> Credentials:
    """Creates the project's secret with a random password and JWT secret, or returns the one this job has created.

    The project's anon and service_role JWTs are derived from the JWT secret where they are needed, and stored nowhere.
    Raises ResourceConflict when a secret of that name belongs to another job.
    """
    import secrets

    document = {
        "engine": "postgres",
        "host": job.cluster.host,
        "port": job.cluster.port,
        "dbname": job.names.database,
        "username": job.names.login_role,
        "password": secrets.token_urlsafe(PASSWORD_BYTES),
        "jwt_secret": secrets.token_urlsafe(JWT_SECRET_BYTES),
    }
    try:
        created = _call(lambda: secrets_manager.client().create_secret(**_new_secret(job, document)))
        return Credentials(created["ARN"], str(document["password"]))
    except _AlreadyExists:
        arn = _owned_arn(job)
        if arn is None:
            raise ResourceConflict(f"the secret {job.names.secret} belongs to another job") from None
        return Credentials(arn, read(arn)["password"])


def put_api_keys(job: "Job", keys: list[dict[str, str]]) -> list[dict[str, str]]:
    """Adds the raw keys to the project's secret and returns the keys that are in it: the first attempt's, always.

    Raises Misconfigured when this job has no secret. It is written by its ARN, which no later secret of that name has.
    """
    arn = job.secret_arn
    if arn is None:
        raise Misconfigured(f"this job has no secret {job.names.secret}")
    document = read(arn)
    if "api_keys" in document:
        return cast("list[dict[str, str]]", document["api_keys"])
    document["api_keys"] = keys
    try:
        _put(arn, document, _token(job.job_id, "api keys"))
    except _AlreadyExists:
        # An earlier attempt's write arrived in between; a version, once written, is never overwritten.
        return cast("list[dict[str, str]]", read(arn)["api_keys"])
    return keys


def take_api_keys(secret_name: str) -> list[dict[str, str]]:
    """Returns the raw keys and removes them from the secret; the second time, or the second of two, gets none.

    Raises Misconfigured when there is no such secret.
    """
    version = _read_version(secret_name)
    if version is None:
        raise Misconfigured(f"the secret {secret_name} does not exist")
    keys = cast("list[dict[str, str]]", version.document.pop("api_keys", []))
    if keys:
        version.document["api_keys_revealed_at"] = datetime.now(UTC).isoformat()
        try:
            # Of two who write different documents under one token, Secrets Manager refuses the second.
            _put(secret_name, version.document, _token(version.version_id, "reveal"))
        except _AlreadyExists:
            return []
    _unlabel_previous_keys(secret_name)
    return keys


def delete(job: "Job") -> bool:
    """Deletes the project's secret, for good and at once, when this job created it. Tells whether it did."""
    arn = _owned_arn(job)
    if arn is None:
        return False
    try:
        _call(lambda: secrets_manager.client().delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True))
    except _NotFound:
        return False
    return True


class _Version:
    def __init__(self, version_id: str, document: dict[str, Any]) -> None:
        self.version_id = version_id
        self.document = document


def _read_version(secret_id: str, stage: str = "AWSCURRENT") -> _Version | None:
    try:
        answer = _call(lambda: secrets_manager.client().get_secret_value(SecretId=secret_id, VersionStage=stage))
    except _NotFound:
        return None
    try:
        document = json.loads(answer["SecretString"])
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Misconfigured(f"the secret {secret_id} is not a JSON object")
    return _Version(answer["VersionId"], document)


def _unlabel_previous_keys(secret_id: str) -> None:
    """Takes the label from a previous version that holds keys: nobody can name it then, and AWS removes it."""
    previous = _read_version(secret_id, "AWSPREVIOUS")
    if previous is not None and "api_keys" in previous.document:
        _call(
            lambda: secrets_manager.client().update_secret_version_stage(
                SecretId=secret_id, VersionStage="AWSPREVIOUS", RemoveFromVersionId=previous.version_id
            )
        )


def _new_secret(job: "Job", document: dict[str, Any]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "Name": job.names.secret,
        "Description": "The tenant database of a project. Made by Provisioner.",
        "SecretString": json.dumps(document),
        "ClientRequestToken": _token(job.job_id, "credentials"),
        "Tags": [{"Key": "project_id", "Value": job.project_id}, {"Key": "job_id", "Value": job.job_id}],
    }
    if key := configuration.optional("TENANT_SECRET_KMS_KEY_ID"):
        request["KmsKeyId"] = key
    return request


def _owned_arn(job: "Job") -> str | None:
    try:
        described = _call(lambda: secrets_manager.client().describe_secret(SecretId=job.names.secret))
    except _NotFound:
        return None
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    return described["ARN"] if tags.get("job_id") == job.job_id else None


def _put(secret_id: str, document: dict[str, Any], token: str) -> None:
    text = json.dumps(document)
    try:
        _call(
            lambda: secrets_manager.client().put_secret_value(
                SecretId=secret_id, SecretString=text, ClientRequestToken=token
            )
        )
    except _NotFound:
        raise Misconfigured(f"the secret {secret_id} does not exist") from None


def _token(what: str, purpose: str) -> str:
    """The same for every attempt: Secrets Manager takes the first write under a token and refuses different ones."""
    import uuid

    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{what}/{purpose}"))


class _NotFound(Exception):
    """There is no such secret."""


class _AlreadyExists(Exception):
    """There is such a secret, or such a version, already."""


def _call(request: Callable[[], Answer]) -> Answer:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return request()
    except ClientError as error:
        raise _translate(error.response["Error"]["Code"]) from None
    except BotoCoreError as error:
        raise SecretsUnavailable(f"Secrets Manager could not be reached ({type(error).__name__})") from None


def _translate(code: str) -> Exception:
    known: dict[str, Exception] = {
        "ResourceNotFoundException": _NotFound(),
        "ResourceExistsException": _AlreadyExists(),
        "AccessDeniedException": InsufficientPermissions("Secrets Manager denied access"),
        "AccessDenied": InsufficientPermissions("Secrets Manager denied access"),
    }
    unknown: ProvisioningError = SecretsUnavailable(f"Secrets Manager answered {code}")
    return known.get(code, unknown)
