"""Secrets in Secrets Manager: JSON objects that are written once, read, and removed without a recovery window."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from typing_extensions import override

from provisioning import configuration
from provisioning.aws import secrets_manager
from provisioning.errors import InsufficientPermissions, Misconfigured, ProvisioningError, SecretsUnavailable

Answer = TypeVar("Answer")


class Secret(NamedTuple):
    """A secret's ARN and its document. The document does not appear in its repr."""

    arn: str
    document: dict[str, Any]

    @override
    def __repr__(self) -> str:
        return f"Secret(arn={self.arn!r})"


def read(secret_id: str) -> dict[str, Any]:
    """Return a secret's JSON document. Raise Misconfigured if none exists, SecretsUnavailable if a retry may help."""
    document = read_if_exists(secret_id)
    if document is None:
        raise Misconfigured(f"the secret {secret_id} does not exist")
    return document


def read_if_exists(secret_id: str) -> dict[str, Any] | None:
    """Return a secret's JSON document, or None when there is no such secret."""
    found = _read(secret_id)
    return found.document if found is not None else None


def read_all(secret_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the JSON documents of up to 20 secrets, in the order of the names or ARNs given, in one request.

    Raise Misconfigured if one does not exist, InsufficientPermissions, and SecretsUnavailable if a retry may help. The
    answer's Errors say what is wrong with a single secret (API reference, BatchGetSecretValue).
    """
    answer = _call(lambda: secrets_manager.client().batch_get_secret_value(SecretIdList=list(secret_ids)))
    for error in answer.get("Errors", []):
        translated = _translate(error["ErrorCode"])
        missing = Misconfigured(f"the secret {error['SecretId']} does not exist")
        raise missing if isinstance(translated, _NotFound) else translated
    found = {one[key]: one for one in answer["SecretValues"] for key in ("ARN", "Name")}
    return [_document(secret_id, found[secret_id]["SecretString"]) for secret_id in secret_ids]


def create(name: str, document: dict[str, Any], *, description: str, tags: Mapping[str, str]) -> Secret:
    """Create a secret, or return the one of that name that an earlier attempt created, with its document.

    Every attempt sends the same token, derived from the name, so the first write wins. Use it only for names that
    contain a random tenant id, which no other secret can have.
    """
    import uuid

    request: dict[str, Any] = {
        "Name": name,
        "Description": description,
        "SecretString": json.dumps(document),
        "ClientRequestToken": str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{name}")),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    if key := configuration.optional("TENANT_SECRET_KMS_KEY_ID"):
        request["KmsKeyId"] = key
    try:
        return Secret(_call(lambda: secrets_manager.client().create_secret(**request))["ARN"], document)
    except _AlreadyExists:
        found = _read(name)
        if found is None:
            raise SecretsUnavailable(f"the secret {name} exists and cannot be read yet") from None
        return found


def remove(name: str, *, removed_before: bool) -> bool:
    """Remove a secret permanently and verify that it is absent. Return whether there was anything to remove.

    A secret is absent when Secrets Manager does not find it, or answers with the date of a deletion. A forced deletion
    runs in the background, and also succeeds for a secret that never existed (API reference, DeleteSecret), so
    DescribeSecret is asked before and after. A deletion date found beforehand counts only if we have removed this
    secret before: otherwise it may be somebody else's deletion, which can still be cancelled.

    Raise SecretsUnavailable if the secret still exists afterwards.
    """
    found = _describe(name)
    if found is None or (found.get("DeletedDate") is not None and removed_before):
        return False
    _call(lambda: secrets_manager.client().delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True))
    left = _describe(name)
    if left is not None and left.get("DeletedDate") is None:
        raise SecretsUnavailable(f"the secret {name} is still there after its deletion")
    return True


def _describe(name: str) -> Mapping[str, Any] | None:
    try:
        return _call(lambda: secrets_manager.client().describe_secret(SecretId=name))
    except _NotFound:
        return None


def _read(secret_id: str) -> Secret | None:
    try:
        answer = _call(lambda: secrets_manager.client().get_secret_value(SecretId=secret_id))
    except _NotFound:
        return None
    return Secret(answer["ARN"], _document(secret_id, answer["SecretString"]))


def _document(secret_id: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Misconfigured(f"the secret {secret_id} is not a JSON object")
    return document


class _NotFound(Exception):
    """No such secret exists."""


class _AlreadyExists(Exception):
    """A secret of that name already exists."""


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
