import json
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from provisioning import tenant_secret
from provisioning.errors import InsufficientPermissions, Misconfigured, SecretsUnavailable
from provisioning.key_delivery import RevealedKey
from tests.provisioning.conftest import make_job
from tests.provisioning.failing_secrets_manager import UNREACHABLE, answering, refusing

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

JOB = make_job("job-1")
RECORDED = JOB._replace(secret_arn=JOB.names.secret)
"""The job once its ledger has the secret. Secrets Manager takes a name wherever it takes an ARN."""
KEYS = [{"key_id": "k-1", "kind": "secret", "key": "demo_secret_raw-key"}]
CALLS: dict[str, Callable[[], object]] = {
    "read": lambda: tenant_secret.read(JOB.names.secret),
    "ensure_credentials": lambda: tenant_secret.ensure_credentials(JOB),
    "put_api_keys": lambda: tenant_secret.put_api_keys(RECORDED, KEYS),
    "take_api_keys": lambda: tenant_secret.take_api_keys(JOB.names.secret),
    "delete": lambda: tenant_secret.delete(JOB),
}
PASSING = ["InternalServiceError", "ThrottlingException", "ServiceUnavailable", "InvalidRequestException", "418"]

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


@pytest.mark.parametrize(
    "name",
    [
        "read",
        "put_api_keys",
        "take_api_keys",
    ],
)
def test_a_secret_that_does_not_exist_is_a_mistake_in_the_settings(name: str) -> None:
    with pytest.raises(Misconfigured, match=JOB.names.secret):
        CALLS[name]()


def test_asking_whether_a_secret_exists_is_no_mistake() -> None:
    assert tenant_secret.read_if_exists("nowhere") is None


@pytest.mark.parametrize("document", ["raw-password", "{", "[]", '"raw-password"'])
def test_a_secret_that_is_no_json_object_is_a_mistake_in_the_settings(
    secrets_manager: "SecretsManagerClient", document: str
) -> None:
    secrets_manager.create_secret(Name="admin", SecretString=document)
    with pytest.raises(Misconfigured, match="admin") as refused:
        tenant_secret.read("admin")
    assert "raw-password" not in repr(refused.value)


def test_credentials_never_show_their_password() -> None:
    credentials = tenant_secret.ensure_credentials(JOB)
    for shown in (repr(credentials), str(credentials), repr([credentials]), json.dumps([credentials], default=str)):
        assert credentials.password not in shown


def test_a_key_on_its_way_to_its_owner_never_shows_its_text() -> None:
    assert "raw-key" not in repr(RevealedKey("k-1", "secret", KEYS[0]["key"]))


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("PutSecretValue", "put_api_keys"),
        ("PutSecretValue", "take_api_keys"),
        ("UpdateSecretVersionStage", "take_api_keys"),
        ("DeleteSecret", "delete"),
    ],
)
def test_a_failure_never_holds_a_secret(operation: str, name: str) -> None:
    password = tenant_secret.ensure_credentials(JOB).password
    if name == "take_api_keys":
        tenant_secret.put_api_keys(RECORDED, KEYS)
    loose_tongue = answering("InternalServiceError", f"cannot store {password} and {KEYS}")
    with refusing(operation, loose_tongue), pytest.raises(SecretsUnavailable) as failed:
        CALLS[name]()
    text = "".join(traceback.format_exception(failed.value))
    assert password not in text
    assert "raw-key" not in text
