"""Register auth, realtime, storage and pooler: one registration per service, under the tenant's id and key."""

import json

import pytest

from local.stack import Stack
from provisioning.errors import ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services.generic import Generic
from stages.database import create_database
from stages.services import register_auth
from tests.conftest import ORGANIZATION, REGION, NewProject
from tests.executions.looking import look
from tests.executions.running import SERVICES
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.jobs import REGISTER, Died, StagedJob, dying, open_job
from tests.stages.registering import TENANT, job, key_of, programmable

__all__ = ["job", "programmable"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_service_has_the_tenant_and_the_output_says_how_it_knows_it(
    stack: Stack, job: StagedJob, service: str
) -> None:
    output = job.run(REGISTER[service])
    world = look(stack, job.project_id)
    assert world.registrations.keys() == {service}
    registration = world.registrations[service]
    assert registration["idempotency_key"] == key_of(job, service)
    assert registration["tenant_id"] == job.tenant_id
    assert output == {"service": service, "external_id": job.tenant_id, "endpoint": registration["endpoint"]}
    (row,) = world.service_registrations
    assert (row["service"], row["job_id"], row["status"]) == (service, job.job_id, "registered")
    assert row["endpoint"] == registration["endpoint"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_registration_is_a_put_with_its_key_and_the_services_own_token(
    stack: Stack, job: StagedJob, programmable: ProgrammableService, service: str
) -> None:
    programmable.will(answer(201, TENANT))
    job.run(REGISTER[service])
    (request,) = programmable.requests
    token = json.loads(
        stack.client("secretsmanager").get_secret_value(SecretId="provisioner/service-tokens")["SecretString"]
    )[service]
    assert (request.method, request.path) == ("PUT", f"/{service}/tenants/{job.tenant_id}")
    assert request.headers["Authorization"] == f"Bearer {token}"
    assert request.headers["Idempotency-Key"] == key_of(job, service)
    assert json.loads(request.body) == {
        "tenant_id": job.tenant_id,
        "project_id": job.project_id,
        "region": REGION,
        "organization_id": ORGANIZATION,
        "database": {
            "host": "127.0.0.1",
            "port": stack.postgres.port,
            "name": job.names.database,
            "schema": "public",
        },
        "secret_arn": look(stack, job.project_id).tenant["secret_arn"],
    }


def test_a_second_delivery_returns_what_was_recorded_and_asks_nobody(
    job: StagedJob, programmable: ProgrammableService
) -> None:
    programmable.will(answer(201, TENANT))
    first = job.run(register_auth)
    assert job.run(register_auth) == first
    assert len(programmable.requests) == 1


def test_after_a_crash_the_next_attempt_gets_the_same_registration(stack: Stack, job: StagedJob) -> None:
    with dying(Generic, "register", after=True), pytest.raises(Died):
        job.run(register_auth)
    before = look(stack, job.project_id).registrations
    output = job.run(register_auth)
    assert output["endpoint"] == before["auth"]["endpoint"]
    assert look(stack, job.project_id).registrations == before


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_final_no_is_permanent(job: StagedJob, programmable: ProgrammableService, status: int) -> None:
    programmable.will(answer(status))
    with pytest.raises(ServiceRejectedRegistration, match=f"auth answered {status}") as refusal:
        job.run(register_auth)
    assert refusal.value.permanent


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504])
def test_an_answer_that_may_change_is_transient_and_recorded(
    stack: Stack, job: StagedJob, programmable: ProgrammableService, status: int
) -> None:
    programmable.will(answer(status), answer(201, TENANT))
    with pytest.raises(ServiceRegistrationFailed, match=f"auth answered {status}") as refusal:
        job.run(register_auth)
    assert not refusal.value.permanent
    step = next(row for row in look(stack, job.project_id).steps[job.job_id] if row["stage"] == "registering_auth")
    assert (step["status"], step["attempt"]) == ("failed", 1)
    assert (step["error_type"], step["error_message"]) == ("SERVICE_REGISTRATION_FAILED", f"auth answered {status}")
    assert job.run(register_auth)["endpoint"] == TENANT["endpoint"]


@pytest.mark.parametrize("value", ["now", "infinity", "4713-01-01 BC", "garbage", "\x00", 7])
def test_a_time_that_is_none_is_the_services_fault_and_in_no_row(
    stack: Stack, job: StagedJob, programmable: ProgrammableService, value: object
) -> None:
    programmable.will(answer(201, TENANT | {"registered_at": value}))
    with pytest.raises(ServiceRegistrationFailed, match="auth answered no usable registered_at"):
        job.run(register_auth)
    (row,) = look(stack, job.project_id).service_registrations
    assert (row["status"], row["registered_at"]) == ("intended", None)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_not_wanted_answers_nulls_and_writes_nothing(
    stack: Stack, new_project: NewProject, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    job = open_job(new_project(), *(set(SERVICES) - {service}))
    job.run(create_database)
    # It asks the ledger before it reads a setting.
    monkeypatch.delenv(f"{service.upper()}_SERVICE_URL")
    monkeypatch.setenv(f"{service.upper()}_SERVICE_ADAPTER", "floppy")
    before = look(stack, job.project_id)
    assert job.run(REGISTER[service]) == {"service": None, "external_id": None, "endpoint": None}
    assert look(stack, job.project_id) == before
    assert before.registrations == {}
