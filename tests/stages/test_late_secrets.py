"""What reads a tenant's secrets is repeated while one is not found, and withholds one of another form."""

from collections.abc import Callable
from typing import Any

import pytest

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.errors import Misconfigured, SecretsUnavailable
from provisioning.tenant.key_delivery import reveal_api_keys
from stages.activation import finalize
from stages.api_keys import generate_api_keys
from stages.database import create_database
from stages.schema import create_schema
from tests.cli.examining import ADMIN, changed_secret
from tests.executions.looking import look
from tests.lagging_secrets_manager import lagging
from tests.stages.jobs import REGISTER, Died, StagedJob, dying, lambda_environment
from tests.stages.native_apis import SERVES
from tests.stages.test_native_services import running

READS: dict[str, Callable[[StagedJob], Any]] = {
    "create_schema": lambda job: job.run(create_schema),
    "finalize": lambda job: job.run(finalize),
    "reveal": lambda job: reveal_api_keys(job.project_id),
}
BEFORE = {"create_schema": create_database, "finalize": generate_api_keys, "reveal": finalize}


def secrets_of(stack: Stack, job: StagedJob) -> list[str]:
    return [secret[field] for secret in look(stack, job.project_id).secrets for field in ("name", "arn")]


@pytest.mark.parametrize("read", READS)
def test_a_secret_on_record_that_is_not_found_is_read_again(
    stack: Stack, job: StagedJob, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    job.run_until(BEFORE[read])
    with lagging(stack, monkeypatch) as secrets_manager:
        secrets_manager.hide(*secrets_of(stack, job))
        with pytest.raises(SecretsUnavailable, match="was made and is not found"):
            READS[read](job)
        secrets_manager.catch_up()
        assert READS[read](job)


@pytest.mark.parametrize("service", SERVES)
def test_a_service_is_not_given_up_because_the_tenants_secret_is_not_found(
    stack: Stack, job: StagedJob, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    with running(stack, monkeypatch, service) as api, lagging(stack, monkeypatch) as secrets_manager:
        job.run(create_database)
        with pytest.raises(SecretsUnavailable, match="was made and is not found"):
            job.run(REGISTER[service])
        assert api.tenants == {}
        secrets_manager.catch_up()
        job.run(REGISTER[service])
        assert len(api.tenants) == 1


@pytest.mark.parametrize("handler", [create_database, generate_api_keys])
def test_an_attempt_that_meets_its_own_secret_takes_it_up_once_it_is_found(
    stack: Stack, job: StagedJob, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    if handler is generate_api_keys:
        job.run_until(REGISTER["pooler"])
    with lagging(stack, monkeypatch) as secrets_manager:
        with dying(secrets, "create", after=True), pytest.raises(Died):
            job.run(handler)
        (made,) = [secret for secret in look(stack, job.project_id).secrets if secret["arn"] in secrets_manager.unseen]
        with pytest.raises(SecretsUnavailable, match=made["name"]):
            job.run(handler)
        secrets_manager.catch_up()
        job.run(handler)
    assert [secret for secret in look(stack, job.project_id).secrets if secret["arn"] == made["arn"]] == [made]


def test_keys_of_another_form_are_withheld_and_kept(stack: Stack, job: StagedJob) -> None:
    job.run_until(finalize)
    client, name = stack.client("secretsmanager"), job.names.api_keys_secret(job.job_id)
    kept = client.get_secret_value(SecretId=name)["SecretString"]
    client.put_secret_value(SecretId=name, SecretString='{"keys": []}')
    with pytest.raises(Misconfigured, match="has no api_keys"):
        reveal_api_keys(job.project_id)
    client.put_secret_value(SecretId=name, SecretString=kept)
    assert len(reveal_api_keys(job.project_id)) == 2


def test_an_admin_whose_secret_names_no_server_makes_tenants(stack: Stack, job: StagedJob) -> None:
    # The row of a cluster has its host and port: RDS writes neither into a secret that it manages.
    with changed_secret(stack, ADMIN, host=None, port=None, dbname=None), lambda_environment():
        assert job.run(create_database)["tenant_id"] == job.tenant_id
