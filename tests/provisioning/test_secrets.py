"""Secrets as they are created and read: the attempts of a stage share one."""

import json
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from provisioning.aws import secrets, secrets_manager
from provisioning.errors import InsufficientPermissions, Misconfigured, SecretsUnavailable
from tests.provisioning.created_secrets import DOCUMENT, NAME, OTHER_DOCUMENT, create
from tests.provisioning.failing_secrets_manager import UNREACHABLE, answering, refusing

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CALLS: dict[str, Callable[[], object]] = {
    "read": lambda: secrets.read(NAME),
    "read all": lambda: secrets.read_all_recorded({NAME: {}}),
    "create": lambda: create(DOCUMENT),
    "remove": lambda: secrets.remove(NAME, removed_before=False),
}
PASSING = [
    *("InternalServiceError", "InternalFailure", "ServiceUnavailable", "ThrottlingException", "LimitExceededException"),
    *("DecryptionFailure", "EncryptionFailure", "InvalidRequestException", "ExpiredTokenException", "418"),
]

pytestmark = pytest.mark.usefixtures("secrets_manager")
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@every_call
def test_a_secrets_manager_that_cannot_be_reached_is_transient(call: Callable[[], object]) -> None:
    with refusing("*", UNREACHABLE), pytest.raises(SecretsUnavailable, match="EndpointConnectionError"):
        call()


@every_call
@pytest.mark.parametrize("code", PASSING)
def test_an_answer_that_may_change_is_transient(call: Callable[[], object], code: str) -> None:
    with refusing("*", answering(code)), pytest.raises(SecretsUnavailable, match=code):
        call()


@every_call
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_an_answer_that_denies_access_is_permanent_and_names_nobody(call: Callable[[], object], code: str) -> None:
    denied = answering(code, "User arn:aws:iam::1:role/somebody is not authorized")
    with refusing("*", denied), pytest.raises(InsufficientPermissions) as refused:
        call()
    assert "somebody" not in str(refused.value)


def test_a_secret_that_does_not_exist_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(Misconfigured, match=NAME):
        secrets.read(NAME)


def test_a_secret_on_record_that_is_not_found_is_transient() -> None:
    with pytest.raises(SecretsUnavailable, match=f"the secret {NAME} was made and is not found"):
        secrets.read_recorded(NAME, {})


def test_a_secret_that_exists_and_is_not_found_is_transient() -> None:
    create(DOCUMENT)
    missing = answering("ResourceNotFoundException")
    with refusing("GetSecretValue", missing), pytest.raises(SecretsUnavailable, match="is not found"):
        create(OTHER_DOCUMENT)


def test_asking_whether_a_secret_exists_is_no_mistake() -> None:
    assert secrets.read_if_exists("nowhere") is None


@pytest.mark.parametrize("document", ["raw-password", "{", "[]", '"raw-password"'])
def test_a_secret_that_is_no_json_object_is_a_mistake_in_the_settings(
    secrets_manager: "SecretsManagerClient", document: str
) -> None:
    secrets_manager.create_secret(Name="admin", SecretString=document)
    with pytest.raises(Misconfigured, match="admin") as refused:
        secrets.read("admin")
    assert "raw-password" not in repr(refused.value)


@pytest.mark.parametrize("operation", ["CreateSecret", "DescribeSecret", "DeleteSecret"])
def test_a_failure_never_holds_a_secret(operation: str) -> None:
    create(DOCUMENT)
    loose_tongue = answering("InternalServiceError", f"cannot store {DOCUMENT}")
    call = CALLS["create" if operation == "CreateSecret" else "remove"]
    with refusing(operation, loose_tongue), pytest.raises(SecretsUnavailable) as failed:
        call()
    assert "raw-password" not in "".join(traceback.format_exception(failed.value))


def test_a_secret_never_shows_its_document() -> None:
    secret = create(DOCUMENT)
    assert [shown for shown in (repr(secret), str(secret), repr([secret])) if "raw-password" in shown] == []


def test_a_created_secret_is_read_as_it_was_written(secrets_manager: "SecretsManagerClient") -> None:
    secret = create(DOCUMENT)
    assert secret.document == secrets.read(NAME) == secrets.read(secret.arn) == DOCUMENT
    described = secrets_manager.describe_secret(SecretId=NAME)
    assert described["ARN"] == secret.arn
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {"tenant_id": "a", "stack": "local"}


@pytest.mark.parametrize("key", [None, "alias/tenants"])
def test_a_secret_is_encrypted_with_the_key_of_the_settings(
    secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key is not None:
        monkeypatch.setenv("TENANT_SECRET_KMS_KEY_ID", key)
    create(DOCUMENT)
    assert secrets_manager.describe_secret(SecretId=NAME).get("KmsKeyId") == key


def test_every_attempt_yields_the_document_of_the_first() -> None:
    first = create(DOCUMENT)
    assert create(OTHER_DOCUMENT) == create(DOCUMENT) == first
    assert secrets.read(NAME) == DOCUMENT


def test_an_attempt_that_is_overtaken_yields_what_the_other_has_written() -> None:
    def overtake(**_: object) -> None:
        events.unregister("before-call.secrets-manager.CreateSecret", overtake)
        create(DOCUMENT)

    events = secrets_manager.client().meta.events
    events.register("before-call.secrets-manager.CreateSecret", overtake)
    assert create(OTHER_DOCUMENT).document == DOCUMENT


def test_every_attempt_at_a_name_sends_one_token_and_no_other_name_has_it() -> None:
    tokens: list[str] = []

    def note(params: dict[str, Any], **_: object) -> None:
        tokens.append(json.loads(params["body"])["ClientRequestToken"])

    events = secrets_manager.client().meta.events
    events.register("before-call.secrets-manager.CreateSecret", note)
    try:
        create(DOCUMENT)
        create(OTHER_DOCUMENT)
        secrets.create(f"{NAME}/api-keys/1", DOCUMENT, description="Made by a test.", tags={})
    finally:
        events.unregister("before-call.secrets-manager.CreateSecret", note)
    assert tokens[0] == tokens[1] != tokens[2]


@pytest.mark.parametrize("call", [call for name, call in CALLS.items() if name != "remove"])
def test_a_secret_that_somebody_is_deleting_is_named_and_can_be_restored(
    secrets_manager: "SecretsManagerClient", call: Callable[[], object]
) -> None:
    create(OTHER_DOCUMENT)
    secrets_manager.delete_secret(SecretId=NAME)
    with pytest.raises(Misconfigured, match=f"scheduled the secret {NAME} for deletion: .*restore-secret"):
        call()
    secrets_manager.restore_secret(SecretId=NAME)
    call()


@every_call
def test_a_key_that_is_not_the_callers_to_use_is_told_from_the_secret(call: Callable[[], object]) -> None:
    denied = answering("AccessDeniedException", "Access to KMS is not allowed")
    with refusing("*", denied), pytest.raises(InsufficientPermissions, match="the KMS key of the secret"):
        call()


def test_a_key_that_does_not_exist_is_a_mistake_in_the_settings() -> None:
    missing = answering("ResourceNotFoundException")
    with refusing("CreateSecret", missing), pytest.raises(Misconfigured, match="TENANT_SECRET_KMS_KEY_ID"):
        create(DOCUMENT)


@every_call
@pytest.mark.parametrize("code", ["InvalidParameterException", "ValidationException"])
def test_a_request_that_is_never_accepted_is_permanent(call: Callable[[], object], code: str) -> None:
    with refusing("*", answering(code)), pytest.raises(Misconfigured, match=f"{NAME} .{code}."):
        call()


def test_a_name_that_no_request_can_have_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(Misconfigured, match="check its name"):
        secrets.read("")
