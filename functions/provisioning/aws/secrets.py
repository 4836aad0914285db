"""Secrets in Secrets Manager: JSON objects that are written once, read, and removed without a recovery window."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from typing_extensions import override

from provisioning import configuration
from provisioning.aws import documents, secrets_manager
from provisioning.aws.documents import Form
from provisioning.aws.secrets_manager import AlreadyExists, NotFound, call
from provisioning.errors import Misconfigured, SecretsUnavailable

ANY_FORM: Form = {}


class Secret(NamedTuple):
    """A secret's ARN and its document. The document does not appear in its repr."""

    arn: str
    document: dict[str, Any]

    @override
    def __repr__(self) -> str:
        return f"Secret(arn={self.arn!r})"


def read(secret_id: str, form: Form = ANY_FORM) -> dict[str, Any]:
    """Return the JSON document of a secret that an operator provides.

    Raise Misconfigured if there is none, or if it has not this form; SecretsUnavailable if a retry may help; and
    InsufficientPermissions. An operator's secret is not new when a job reads it, and a rotation replaces its value and
    never the secret, so its absence is not a delay.
    """
    document = read_if_exists(secret_id, form)
    if document is None:
        raise Misconfigured(f"the secret {secret_id} does not exist")
    return document


def read_recorded(secret_id: str, form: Form) -> dict[str, Any]:
    """Return the JSON document of a secret that the control plane has on record. Raise as read() does, except that
    one which is not found is SecretsUnavailable: a secret that was just made may not be visible yet.
    """
    document = read_if_exists(secret_id, form)
    if document is None:
        raise _not_visible(secret_id)
    return document


def read_if_exists(secret_id: str, form: Form = ANY_FORM) -> dict[str, Any] | None:
    """Return a secret's JSON document, or None when there is no such secret."""
    try:
        return _read(secret_id, form).document
    except NotFound:
        return None


def read_all_recorded(forms: Mapping[str, Form]) -> list[dict[str, Any]]:
    """Return the JSON documents of up to 20 secrets on record, in the order of their names or ARNs, in one request.

    Raise as read_recorded() does. The answer's Errors say what is wrong with a single secret (API reference,
    BatchGetSecretValue).
    """
    wanted = list(forms)
    answer = call(", ".join(wanted), lambda: secrets_manager.client().batch_get_secret_value(SecretIdList=wanted))
    for error in answer.get("Errors", []):
        raised = secrets_manager.refusal(error["SecretId"], error["ErrorCode"], error.get("Message", ""))
        raise _not_visible(error["SecretId"]) if isinstance(raised, NotFound) else raised
    found = {one[key]: one for one in answer["SecretValues"] for key in ("ARN", "Name")}
    if missing := [secret_id for secret_id in wanted if secret_id not in found]:
        raise _not_visible(*missing)
    return [documents.parse(secret_id, found[secret_id], form) for secret_id, form in forms.items()]


def create(
    name: str, document: dict[str, Any], *, form: Form = ANY_FORM, description: str, tags: Mapping[str, str]
) -> Secret:
    """Create a secret, or return the one of that name that an earlier attempt created, with its document.

    Every attempt sends the same token, derived from the name, so the first write wins. Use it only for names that
    contain a random tenant id, which no other secret can have.

    Raise as read_recorded() does: a secret that exists and is not found is not visible yet.
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
        return Secret(call(name, lambda: secrets_manager.client().create_secret(**request))["ARN"], document)
    except AlreadyExists:
        pass
    except NotFound:
        # Nothing but the key is looked for.
        raise Misconfigured("Secrets Manager finds no KMS key of the setting TENANT_SECRET_KMS_KEY_ID") from None
    try:
        return _read(name, form)
    except NotFound:
        raise _not_visible(name) from None


def remove(name: str, *, removed_before: bool) -> bool:
    """Remove a secret permanently and verify that it is absent. Return whether it was seen.

    A secret is absent when Secrets Manager does not find it, or answers with the date of a deletion. A secret that was
    just made may not be found either, so the first removal is sent whatever DescribeSecret answers: a forced deletion
    also succeeds for a secret that never existed (API reference, DeleteSecret). A look after an earlier removal of ours
    believes the answer, and a deletion date counts only then: otherwise it may be somebody else's deletion, which can
    still be cancelled.

    Raise SecretsUnavailable if the secret still exists afterwards.
    """
    found = describe(name)
    if removed_before and (found is None or found.get("DeletedDate") is not None):
        return False
    with suppress(NotFound):
        call(name, lambda: secrets_manager.client().delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True))
    left = describe(name)
    if left is not None and left.get("DeletedDate") is None:
        raise SecretsUnavailable(f"the secret {name} is still there after its deletion")
    return found is not None


def describe(name: str) -> Mapping[str, Any] | None:
    """Return what DescribeSecret answers, with the date of a scheduled deletion, or None when there is no such secret.

    Raise SecretsUnavailable if a retry may help, Misconfigured and InsufficientPermissions.
    """
    try:
        return call(name, lambda: secrets_manager.client().describe_secret(SecretId=name))
    except NotFound:
        return None


def _read(secret_id: str, form: Form) -> Secret:
    answer = call(secret_id, lambda: secrets_manager.client().get_secret_value(SecretId=secret_id))
    return Secret(answer["ARN"], documents.parse(secret_id, answer, form))


def _not_visible(*secret_ids: str) -> SecretsUnavailable:
    return SecretsUnavailable(
        f"the secret {', '.join(secret_ids)} was made and is not found: it is not visible yet, or somebody deleted it"
    )
