"""A compensation that fails half-way has recorded what it did remove: in the steps, in the audit log, in the ending."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.cluster import register
from provisioning.errors import (
    RollbackFailed,
    SecretsUnavailable,
    ServiceRegistrationFailed,
    ServiceRejectedRegistration,
)
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.services.generic import Generic
from provisioning.services.supavisor import Supavisor
from stages.access import restore_access, suspend_access
from stages.api_keys import generate_api_keys, revoke_api_keys
from stages.database import drop_database
from stages.services import deregister_services, resume_services, suspend_services
from tests.executions.looking import look
from tests.executions.running import SERVICES
from tests.stages.jobs import STOPPED, StagedJob, execute, look_again, open_job
from tests.stages.native_apis import APIS, SERVES
from tests.stages.suspending import Tenant, live_tenant, opened
from tests.stages.tenant_apis import native_service

pytestmark = pytest.mark.slow


@pytest.fixture
def job(project_id: str) -> StagedJob:
    """A job that has made everything."""
    job = open_job(project_id)
    job.run_until(generate_api_keys)
    return job


@contextmanager
def failing(service: str, error: Exception) -> Iterator[None]:
    """The service removes nothing."""
    real = Generic.deregister

    def deregister(adapter: Generic, tenant_id: str) -> bool:
        if adapter.service == service:
            raise error
        return real(adapter, tenant_id)

    with patch.object(Generic, "deregister", deregister):
        yield


@contextmanager
def kept_secret(name: str) -> Iterator[None]:
    """Secrets Manager does not remove that secret."""
    real = secrets.remove

    def remove(secret: str, **named: Any) -> bool:
        if secret == name:
            raise SecretsUnavailable("Secrets Manager answered InternalServiceError")
        return real(secret, **named)

    with patch.object(secrets, "remove", remove):
        yield


def recorded(stack: Stack, job: StagedJob) -> list[str]:
    """What the compensations of the job have recorded as removed."""
    audited = look(stack, job.project_id).audited("compensated", job.job_id)
    return [removed for row in audited for removed in row["details"]["removed"]]


def compensated(stack: Stack, job: StagedJob) -> set[str]:
    """The stages of the job of which nothing is left."""
    steps = look(stack, job.project_id).steps[job.job_id]
    return {step["stage"] for step in steps if step["status"] == "compensated"}


@pytest.mark.parametrize("error", [ServiceRegistrationFailed("no"), ServiceRejectedRegistration("no"), KeyError("no")])
def test_registrations_that_are_removed_are_recorded_although_one_stays(
    stack: Stack, job: StagedJob, error: Exception
) -> None:
    removed = [service for service in SERVICES if service != "realtime"]
    with failing("realtime", error), pytest.raises(Exception, match=r"no|KeyError"):
        job.run(deregister_services)
    assert recorded(stack, job) == [f"{service} registration" for service in removed]
    assert compensated(stack, job) == {f"registering_{service}" for service in removed}
    assert list(look(stack, job.project_id).registrations) == ["realtime"]


def test_the_ending_names_what_was_removed_and_what_is_left_also_after_a_rollback(stack: Stack, job: StagedJob) -> None:
    with failing("realtime", ServiceRegistrationFailed("realtime answered 500")):
        for _ in range(3):
            with pytest.raises(ServiceRegistrationFailed):
                job.run(deregister_services)
        job.run(drop_database)
        cause = job.record_failure(STOPPED)["cause"]
    assert "Rolled back: auth registration, storage registration, pooler registration, " in cause
    assert f"Still there: 2 API keys of {job.tenant_id}, realtime registration of {job.tenant_id}." in cause
    cause = job.roll_back()["cause"]
    for service in SERVICES:
        assert f"{service} registration" in cause
    assert "Nothing is left" in cause


def test_a_service_that_refuses_does_not_keep_another_from_being_retried(job: StagedJob) -> None:
    refused = failing("auth", ServiceRejectedRegistration("auth answered 403"))
    silent = failing("pooler", ServiceRegistrationFailed("pooler answered 500"))
    with refused, silent, pytest.raises(ServiceRegistrationFailed, match="pooler"):
        job.run(deregister_services)
    assert job.run(deregister_services)["removed"] == ["auth registration", "pooler registration"]


def test_revoked_keys_are_recorded_although_their_secret_stays(stack: Stack, job: StagedJob) -> None:
    keys = [f"API key {row['key_id']}" for row in look(stack, job.project_id).api_keys]
    with kept_secret(job.names.api_keys_secret(job.job_id)), pytest.raises(SecretsUnavailable):
        job.run(revoke_api_keys)
    assert len(keys) == 2
    assert sorted(recorded(stack, job)) == sorted(keys)


def test_a_dropped_database_is_recorded_although_a_secret_stays(stack: Stack, job: StagedJob) -> None:
    names = job.names
    with kept_secret(names.api_keys_secret(job.job_id)), pytest.raises(SecretsUnavailable):
        job.run(drop_database)
    assert recorded(stack, job) == [names.database, names.login_role, names.owner_role, names.secret]


def test_a_dropped_database_is_recorded_although_its_roles_stay(stack: Stack, job: StagedJob) -> None:
    """A database that somebody else owns keeps a role from being dropped."""
    names = job.names
    obstacle, owner = sql.Identifier(f"obstacle_{names.tenant_id}"), sql.Identifier(names.owner_role)
    execute(stack, "postgres", sql.SQL("CREATE DATABASE {} OWNER {}").format(obstacle, owner))
    with pytest.raises(RollbackFailed, match="held up by obstacle_"):
        job.run(drop_database)
    first = [names.database, names.secret, names.api_keys_secret(job.job_id)]
    assert recorded(stack, job) == first
    execute(stack, "postgres", sql.SQL("DROP DATABASE {}").format(obstacle))
    job.run(drop_database)
    assert recorded(stack, job) == [*first, names.login_role, names.owner_role]


def test_what_reconcile_removes_is_recorded_although_a_registration_stays(stack: Stack, job: StagedJob) -> None:
    with kept_secret(job.names.secret), pytest.raises(SecretsUnavailable):
        job.run(drop_database)
    job.record_failure(STOPPED)
    unwilling = failing("auth", ServiceRegistrationFailed("auth answered 500"))
    with unwilling, pytest.raises(ServiceRegistrationFailed):
        look_again(stack, job.tenant_id)
    (row,) = look(stack, job.project_id).audited("tenant looked at again", job.job_id)
    secret_names = [job.names.secret, job.names.api_keys_secret(job.job_id)]
    assert row["details"]["removed"] == secret_names + [f"{one} registration" for one in SERVICES if one != "auth"]


def test_a_suspension_that_is_undone_is_recorded_although_the_register_does_not_answer(
    stack: Stack, tenant: Tenant
) -> None:
    job = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    unreachable = patch.object(register, "record_state", side_effect=RollbackFailed("the register does not answer"))
    with unreachable, pytest.raises(RollbackFailed):
        job.run(restore_access)
    assert recorded(stack, job) == [f"suspension of tenant {tenant.names.tenant_id}"]


def test_services_that_resume_are_recorded_although_one_does_not(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, project_id: str
) -> None:
    realtime, pooler = SERVES["realtime"], SERVES["pooler"]
    with (
        native_service(stack, monkeypatch, "realtime", realtime, APIS[realtime]),
        native_service(stack, monkeypatch, "pooler", pooler, APIS[pooler]),
    ):
        tenant = live_tenant(stack, project_id, "realtime", "pooler")
        job = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access, suspend_services)
        silent = patch.object(Supavisor, "resume", side_effect=ServiceRegistrationFailed("pooler answered 500"))
        with silent, pytest.raises(ServiceRegistrationFailed):
            job.run(resume_services)
        assert recorded(stack, job) == ["realtime resumed"]
