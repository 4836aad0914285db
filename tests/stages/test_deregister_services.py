"""Remove registrations: by the tenant's id and key, whatever the ledger has recorded and whichever service fails."""

from unittest.mock import patch

import pytest

from local.stack import Stack
from provisioning.errors import ResourceConflict, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services.generic import Generic
from stages.services import deregister_services, register_auth
from tests.executions.looking import World, look
from tests.executions.running import SERVICES
from tests.provisioning.conftest import ABSENT
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.jobs import REGISTER, Died, StagedJob, dying
from tests.stages.registering import TENANT, job, key_of, of_auth, programmable

__all__ = ["job", "of_auth", "programmable"]


def statuses(world: World) -> dict[str, str]:
    """What the control plane records of each registration."""
    return {row["service"]: row["status"] for row in world.service_registrations}


def register_all(job: StagedJob) -> None:
    for service in SERVICES:
        job.run(REGISTER[service])


def test_the_removal_is_a_delete_with_the_same_key(of_auth: StagedJob, programmable: ProgrammableService) -> None:
    programmable.will(answer(201, TENANT), answer(204))
    of_auth.run(register_auth)
    assert of_auth.run(deregister_services) == {"removed": ["auth registration"], "unknown": []}
    _, request = programmable.requests
    assert (request.method, request.path) == ("DELETE", f"/auth/tenants/{of_auth.tenant_id}")
    assert request.headers["Idempotency-Key"] == key_of(of_auth, "auth")


def test_a_registration_that_somebody_else_made_is_a_conflict_and_stays(stack: Stack, of_auth: StagedJob) -> None:
    job = of_auth
    stack.services.store.register("auth", str(job.tenant_id), job.project_id, "somebody-elses-key", "http://auth")
    before = look(stack, job.project_id).registrations
    with pytest.raises(ResourceConflict, match="another registration of this tenant"):
        job.run(register_auth)
    assert job.run(deregister_services) == {"removed": [], "unknown": []}
    world = look(stack, job.project_id)
    assert (world.registrations, statuses(world)) == (before, {"auth": "removed"})


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
    programmable.will(answer(201, TENANT), answer(404, ABSENT))
    of_auth.run(register_auth)
    assert of_auth.run(deregister_services) == {"removed": [], "unknown": []}
    assert statuses(look(stack, of_auth.project_id)) == {"auth": "removed"}


def test_a_404_of_another_server_removes_no_registration(
    stack: Stack, of_auth: StagedJob, programmable: ProgrammableService
) -> None:
    programmable.will(answer(201, TENANT), answer(404, b"<html>nothing here</html>"), answer(204))
    of_auth.run(register_auth)
    with pytest.raises(ServiceRejectedRegistration, match="auth answered 404, but not as this service does"):
        of_auth.run(deregister_services)
    assert statuses(look(stack, of_auth.project_id)) == {"auth": "registered"}
    assert of_auth.run(deregister_services) == {"removed": ["auth registration"], "unknown": []}


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
