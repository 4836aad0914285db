"""The secret of a tenant: its content, its tags, and that all attempts share it."""

from typing import TYPE_CHECKING

import pytest

from provisioning.aws import secrets
from provisioning.tenant import secret as tenant_secret
from provisioning.tenant.key_delivery import RevealedKey
from tests.provisioning.conftest import TENANT_ID, make_tenant

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TENANT = make_tenant()
OTHER_TENANT = make_tenant("zyxwvutsrqponmlkjihg")

pytestmark = pytest.mark.usefixtures("secrets_manager")


@pytest.fixture
def created() -> secrets.Secret:
    return tenant_secret.ensure_credentials(TENANT)


def test_the_document_is_what_the_rotation_functions_of_aws_read(created: secrets.Secret) -> None:
    document = secrets.read(TENANT.names.secret)
    assert document == created.document
    assert len(document.pop("jwt_secret")) >= 64
    assert len(document.pop("password")) >= 43
    assert document == {
        "engine": "postgres",
        "host": "db.internal",
        "port": 5432,
        "dbname": TENANT.names.database,
        "username": TENANT.names.login_role,
    }


@pytest.mark.parametrize(
    ("setting", "stack_name"), [(None, "local"), ("", "local"), ("provisioner-eu", "provisioner-eu")]
)
def test_a_secret_names_its_tenant_and_its_stack_and_nobody_else(
    secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch, setting: str | None, stack_name: str
) -> None:
    if setting is not None:
        monkeypatch.setenv("STACK_NAME", setting)
    described = secrets_manager.describe_secret(SecretId=tenant_secret.ensure_credentials(TENANT).arn)
    assert described["Name"] == TENANT.names.secret
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {"tenant_id": TENANT_ID, "stack": stack_name}


def test_passwords_and_jwt_secrets_are_new_for_every_tenant(created: secrets.Secret) -> None:
    other = tenant_secret.ensure_credentials(OTHER_TENANT)
    assert other.document["password"] != created.document["password"]
    assert other.document["jwt_secret"] != created.document["jwt_secret"]


def test_a_later_attempt_takes_up_the_credentials_of_the_first(created: secrets.Secret) -> None:
    assert tenant_secret.ensure_credentials(TENANT) == created


def test_another_job_of_the_tenant_takes_up_its_credentials(created: secrets.Secret) -> None:
    assert tenant_secret.ensure_credentials(make_tenant(job_id="job-2")) == created


def test_a_removed_secret_is_made_again_with_another_password(created: secrets.Secret) -> None:
    secrets.remove(TENANT.names.secret, removed_before=False)
    assert tenant_secret.ensure_credentials(TENANT).document["password"] != created.document["password"]


def test_a_key_on_its_way_to_its_owner_never_shows_its_text() -> None:
    assert "raw-key" not in repr(RevealedKey("k-1", "secret", "demo_secret_raw-key"))
