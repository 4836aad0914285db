"""Register auth, realtime, storage and pooler, and their removal: one per service, under the tenant's id and key."""

import json
import uuid
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from local.stack import Stack
from provisioning.errors import ResourceConflict, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services.generic import Generic
from stages.database import create_database
from stages.services import deregister_services, register_auth
from tests.conftest import ORGANIZATION, REGION, NewProject
from tests.executions.looking import World, look
from tests.executions.running import SERVICES
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.jobs import REGISTER, Died, StagedJob, dying, open_job

TENANT = {"endpoint": "https://service/t-1", "registered_at": "2026-01-01T00:00:00+00:00"}


@pytest.fixture
def job(project_id: str) -> StagedJob:
    job = open_job(project_id)
    job.run(create_database)
    return job


@pytest.fixture
def of_auth(project_id: str) -> StagedJob:
    """A job that wants only one service."""
    job = open_job(project_id, "auth")
    job.run(create_database)
    return job


@pytest.fixture
def programmable(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgrammableService]:
    """Every service, as one with configured answers."""
    with ProgrammableService() as service:
        for name in SERVICES:
            monkeypatch.setenv(f"{name.upper()}_SERVICE_URL", f"{service.url}/{name}")
        yield service


def key_of(job: StagedJob, service: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{job.tenant_id}/{service}"))


def statuses(world: World) -> dict[str, str]:
    """What the control plane records of each registration."""
    return {row["service"]: row["status"] for row in world.service_registrations}


def register_all(job: StagedJob) -> list[Any]:
    return [job.run(REGISTER[service]) for service in SERVICES]


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
            "schema": "tenant",
        },
        "secret_arn": look(stack, job.project_id).tenant["secret_arn"],
    }


def test_the_removal_is_a_delete_with_the_same_key(of_auth: StagedJob, programmable: ProgrammableService) -> None:
    programmable.will(answer(201, TENANT), answer(204))
    of_auth.run(register_auth)
    assert of_auth.run(deregister_services) == {"removed": ["auth registration"], "unknown": []}
    _, request = programmable.requests
    assert (request.method, request.path) == ("DELETE", f"/auth/tenants/{of_auth.tenant_id}")
    assert request.headers["Idempotency-Key"] == key_of(of_auth, "auth")


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


def test_a_registration_that_somebody_else_made_is_a_conflict_and_stays(stack: Stack, of_auth: StagedJob) -> None:
    job = of_auth
    stack.services.store.register("auth", str(job.tenant_id), job.project_id, "somebody-elses-key", "http://auth")
    before = look(stack, job.project_id).registrations
    with pytest.raises(ResourceConflict, match="another registration of this tenant"):
        job.run(register_auth)
    assert job.run(deregister_services) == {"removed": [], "unknown": []}
    world = look(stack, job.project_id)
    assert (world.registrations, statuses(world)) == (before, {"auth": "removed"})


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


def test_every_registration_of_the_job_is_removed(stack: Stack, job: StagedJob) -> None:
    register_all(job)
    assert job.run(deregister_services) == {
        "removed": [f"{service} registration" for service in SERVICES],
        "unknown": [],
    }
    world = look(stack, job.project_id)
    assert (world.registrations, statuses(world)) == ({}, dict.fromkeys(SERVICES, "removed"))


def test_a_registration_that_was_never_recorded_is_removed(stack: Stack, job: StagedJob) -> None:
    with dying(Generic, "register", after=True), pytest.raises(Died):
        job.run(register_auth)
    assert job.run(deregister_services) == {"removed": ["auth registration"], "unknown": []}
    assert look(stack, job.project_id).registrations == {}


def test_removing_twice_or_before_anything_was_made_is_fine(job: StagedJob) -> None:
    assert job.run(deregister_services) == {"removed": [], "unknown": []}
    assert job.run(deregister_services) == {"removed": [], "unknown": []}


def test_a_service_that_knows_nothing_of_the_tenant_counts_as_done(
    stack: Stack, of_auth: StagedJob, programmable: ProgrammableService
) -> None:
    programmable.will(answer(201, TENANT), answer(404))
    of_auth.run(register_auth)
    assert of_auth.run(deregister_services) == {"removed": [], "unknown": []}
    assert statuses(look(stack, of_auth.project_id)) == {"auth": "removed"}


def test_only_services_that_the_job_wants_are_asked_for_its_removal(
    of_auth: StagedJob, programmable: ProgrammableService
) -> None:
    programmable.will(answer(201, TENANT), answer(204))
    of_auth.run(register_auth)
    of_auth.run(deregister_services)
    assert [request.path.split("/")[1] for request in programmable.requests] == ["auth", "auth"]


def test_no_service_is_asked_by_a_job_that_failed_before_any_registration(
    job: StagedJob, programmable: ProgrammableService
) -> None:
    job.failure = {"creating_schema": {"Error": "SchemaCreationFailed", "Cause": "{}"}}
    assert job.run(deregister_services) == {"removed": [], "unknown": []}
    assert programmable.requests == []


def test_every_wanted_service_is_asked_once_the_execution_has_reached_any(
    job: StagedJob, programmable: ProgrammableService
) -> None:
    """The ledger may have lost what the registrations declared."""
    programmable.will(*[answer(204)] * len(SERVICES))
    job.failure = {"generating_api_keys": {"Error": "StageCrashed", "Cause": "{}"}}
    assert sorted(job.run(deregister_services)["removed"]) == [f"{name} registration" for name in sorted(SERVICES)]
    assert {request.method for request in programmable.requests} == {"DELETE"}


def test_one_service_that_does_not_answer_keeps_no_other_from_being_asked(stack: Stack, job: StagedJob) -> None:
    register_all(job)
    real = Generic.deregister

    def unwilling(adapter: Generic, tenant_id: str) -> bool:
        if adapter.service == "auth":
            raise ServiceRegistrationFailed("auth answered 500")
        return real(adapter, tenant_id)

    with patch.object(Generic, "deregister", unwilling), pytest.raises(ServiceRegistrationFailed):
        job.run(deregister_services)
    world = look(stack, job.project_id)
    assert list(world.registrations) == ["auth"]
    assert statuses(world) == {**dict.fromkeys(SERVICES, "removed"), "auth": "registered"}
    (told,) = world.audited("compensation failed", job.job_id)
    assert told["details"]["error_message"] == "auth answered 500"
    assert job.run(deregister_services) == {"removed": ["auth registration"], "unknown": []}
    assert look(stack, job.project_id).registrations == {}


def test_a_late_request_of_a_superseded_attempt_registers_nothing(stack: Stack, job: StagedJob) -> None:
    job.run(register_auth)
    job.run(deregister_services)
    status, _ = stack.services.store.register(
        "auth", str(job.tenant_id), job.project_id, key_of(job, "auth"), "http://auth"
    )
    assert status == 409
    assert look(stack, job.project_id).registrations == {}
