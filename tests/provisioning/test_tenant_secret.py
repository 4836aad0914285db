from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from provisioning import secrets_manager, tenant_secret
from provisioning.errors import ProvisioningError, ResourceConflict, SecretsUnavailable
from provisioning.job import Job
from tests.provisioning.conftest import make_job
from tests.provisioning.failing_secrets_manager import UNREACHABLE, refusing

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

JOB, OTHER_JOB = make_job("job-1"), make_job("job-2")
KEYS = [{"key_id": "k-1", "kind": "publishable", "key": "demo_publishable_1"}]
OTHER_KEYS = [{"key_id": "k-2", "kind": "publishable", "key": "demo_publishable_2"}]

pytestmark = pytest.mark.usefixtures("secrets_manager")


@pytest.fixture
def created() -> tenant_secret.Credentials:
    return tenant_secret.ensure_credentials(JOB)


def everything(secrets_manager: "SecretsManagerClient") -> dict[str, Any]:
    """All that a secret is to those who look it up: its document, versions and tags."""
    answer = secrets_manager.describe_secret(SecretId=JOB.names.secret)
    answer.pop("LastAccessedDate", None)  # type: ignore[misc]
    answer.pop("ResponseMetadata", None)  # type: ignore[misc]
    return {"document": tenant_secret.read(JOB.names.secret), **answer}


def test_the_document_is_what_the_rotation_functions_of_aws_read(created: tenant_secret.Credentials) -> None:
    document = tenant_secret.read(JOB.names.secret)
    assert len(document.pop("jwt_secret")) >= 64
    assert document == {
        "engine": "postgres",
        "host": "db.internal",
        "port": 5432,
        "dbname": JOB.names.database,
        "username": JOB.names.login_role,
        "password": created.password,
    }


def test_a_secret_names_its_project_and_its_job(
    secrets_manager: "SecretsManagerClient", created: tenant_secret.Credentials
) -> None:
    described = secrets_manager.describe_secret(SecretId=created.secret_arn)
    assert described["Name"] == JOB.names.secret
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {"project_id": "demo", "job_id": "job-1"}


@pytest.mark.parametrize("key", [None, "alias/tenants"])
def test_a_secret_is_encrypted_with_the_key_of_the_settings(
    secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key is not None:
        monkeypatch.setenv("TENANT_SECRET_KMS_KEY_ID", key)
    credentials = tenant_secret.ensure_credentials(JOB)
    assert secrets_manager.describe_secret(SecretId=credentials.secret_arn).get("KmsKeyId") == key


def test_a_password_has_256_random_bits_and_is_new_for_every_project(created: tenant_secret.Credentials) -> None:
    other = tenant_secret.ensure_credentials(make_job("job-2", "other"))
    assert len(created.password) >= 43
    assert created.password != other.password


def test_a_later_attempt_takes_up_the_password_of_the_first(created: tenant_secret.Credentials) -> None:
    later = tenant_secret.ensure_credentials(JOB)
    assert (later.secret_arn, later.password) == (created.secret_arn, created.password)


def test_another_jobs_secret_is_a_conflict_and_stays_as_it_was(
    secrets_manager: "SecretsManagerClient", created: tenant_secret.Credentials
) -> None:
    before = everything(secrets_manager)
    with pytest.raises(ResourceConflict):
        tenant_secret.ensure_credentials(OTHER_JOB)
    assert everything(secrets_manager) == before


def test_a_secret_without_a_mark_is_a_conflict_and_is_not_deleted(secrets_manager: "SecretsManagerClient") -> None:
    secrets_manager.create_secret(Name=JOB.names.secret, SecretString='{"password": "somebody else\'s"}')
    with pytest.raises(ResourceConflict):
        tenant_secret.ensure_credentials(JOB)
    assert tenant_secret.delete(JOB) is False
    assert tenant_secret.read(JOB.names.secret) == {"password": "somebody else's"}


def test_a_jobs_own_secret_is_deleted_for_good(created: tenant_secret.Credentials) -> None:
    assert tenant_secret.delete(JOB) is True
    assert tenant_secret.read_if_exists(created.secret_arn) is None
    assert tenant_secret.ensure_credentials(OTHER_JOB).password != created.password


def test_deleting_what_is_gone_already_is_done(created: tenant_secret.Credentials) -> None:
    tenant_secret.delete(JOB)
    assert tenant_secret.delete(JOB) is False


def test_another_jobs_secret_is_not_deleted(
    secrets_manager: "SecretsManagerClient", created: tenant_secret.Credentials
) -> None:
    before = everything(secrets_manager)
    assert tenant_secret.delete(OTHER_JOB) is False
    assert everything(secrets_manager) == before


def recorded(created: tenant_secret.Credentials) -> Job:
    """The job once its ledger has the secret."""
    return JOB._replace(secret_arn=created.secret_arn)


def test_keys_are_added_to_the_credentials(created: tenant_secret.Credentials) -> None:
    credentials = tenant_secret.read(created.secret_arn)
    assert tenant_secret.put_api_keys(recorded(created), KEYS) == KEYS
    assert tenant_secret.read(created.secret_arn) == credentials | {"api_keys": KEYS}


def test_a_later_attempt_gets_the_keys_of_the_first(created: tenant_secret.Credentials) -> None:
    tenant_secret.put_api_keys(recorded(created), KEYS)
    assert tenant_secret.put_api_keys(recorded(created), OTHER_KEYS) == KEYS
    assert tenant_secret.read(created.secret_arn)["api_keys"] == KEYS


def test_of_two_attempts_that_put_their_keys_at_once_the_first_one_wins(created: tenant_secret.Credentials) -> None:
    def overtake(**_: object) -> None:
        events.unregister("before-call.secrets-manager.PutSecretValue", overtake)
        tenant_secret.put_api_keys(recorded(created), KEYS)

    events = secrets_manager.client().meta.events
    events.register("before-call.secrets-manager.PutSecretValue", overtake)
    assert tenant_secret.put_api_keys(recorded(created), OTHER_KEYS) == KEYS
    assert tenant_secret.read(created.secret_arn)["api_keys"] == KEYS


def test_keys_are_not_added_to_another_jobs_secret(
    secrets_manager: "SecretsManagerClient", created: tenant_secret.Credentials
) -> None:
    before = everything(secrets_manager)
    with pytest.raises(ProvisioningError):
        tenant_secret.put_api_keys(OTHER_JOB, OTHER_KEYS)
    assert everything(secrets_manager) == before


def test_an_attempt_that_was_given_up_does_not_write_its_document_over_the_next_jobs(
    created: tenant_secret.Credentials,
) -> None:
    def wake_up_late(**_: object) -> None:
        events.unregister("before-call.secrets-manager.PutSecretValue", wake_up_late)
        tenant_secret.delete(JOB)
        live.append(tenant_secret.ensure_credentials(OTHER_JOB))

    live: list[tenant_secret.Credentials] = []
    events = secrets_manager.client().meta.events
    events.register("before-call.secrets-manager.PutSecretValue", wake_up_late)
    with pytest.raises(ProvisioningError):
        tenant_secret.put_api_keys(recorded(created), KEYS)
    assert tenant_secret.read(JOB.names.secret)["password"] == live[0].password


def test_keys_are_shown_once_and_the_credentials_stay(created: tenant_secret.Credentials) -> None:
    credentials = tenant_secret.read(created.secret_arn)
    tenant_secret.put_api_keys(recorded(created), KEYS)
    assert tenant_secret.take_api_keys(JOB.names.secret) == KEYS
    assert tenant_secret.take_api_keys(JOB.names.secret) == []
    left = tenant_secret.read(created.secret_arn)
    assert datetime.fromisoformat(left.pop("api_keys_revealed_at")) <= datetime.now(UTC)
    assert left == credentials


def readable_by_stage(secrets_manager: "SecretsManagerClient") -> str:
    """Everything that can be read from the secret by naming a stage."""
    versions = secrets_manager.describe_secret(SecretId=JOB.names.secret)["VersionIdsToStages"]
    return "".join(
        secrets_manager.get_secret_value(SecretId=JOB.names.secret, VersionStage=stage)["SecretString"]
        for stages in versions.values()
        for stage in stages
    )


def test_keys_that_were_shown_are_in_no_stage_of_the_secret(
    secrets_manager: "SecretsManagerClient", created: tenant_secret.Credentials
) -> None:
    tenant_secret.put_api_keys(recorded(created), KEYS)
    assert KEYS[0]["key"] in readable_by_stage(secrets_manager)
    tenant_secret.take_api_keys(JOB.names.secret)
    assert KEYS[0]["key"] not in readable_by_stage(secrets_manager)


def test_a_second_try_finishes_a_removal_that_was_cut_off(
    secrets_manager: "SecretsManagerClient", created: tenant_secret.Credentials
) -> None:
    tenant_secret.put_api_keys(recorded(created), KEYS)
    with refusing("UpdateSecretVersionStage", UNREACHABLE), pytest.raises(SecretsUnavailable):
        tenant_secret.take_api_keys(JOB.names.secret)
    tenant_secret.take_api_keys(JOB.names.secret)
    assert KEYS[0]["key"] not in readable_by_stage(secrets_manager)


def test_of_two_who_ask_at_once_only_one_is_shown_the_keys(created: tenant_secret.Credentials) -> None:
    def overtake(**_: object) -> None:
        events.unregister("before-call.secrets-manager.PutSecretValue", overtake)
        shown.append(tenant_secret.take_api_keys(JOB.names.secret))

    shown: list[list[dict[str, str]]] = []
    tenant_secret.put_api_keys(recorded(created), KEYS)
    events = secrets_manager.client().meta.events
    events.register("before-call.secrets-manager.PutSecretValue", overtake)
    shown.append(tenant_secret.take_api_keys(JOB.names.secret))
    assert sorted(shown) == [[], KEYS]
