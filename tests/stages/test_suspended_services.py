"""Suspension at a tenant's services: clients are ended and refused, registrations stay, every service is asked."""

import time
from collections.abc import Iterator
from typing import cast

import psycopg2
import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning import control_plane
from provisioning.errors import ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import registrations
from stages.database import create_database
from stages.services import deregister_services
from tests.executions.looking import look
from tests.executions.running import SERVICES
from tests.provisioning.programmable_service import ProgrammableService, hang
from tests.stages.client_sessions import NotServed
from tests.stages.jobs import REGISTER, StagedJob, execute, open_job
from tests.stages.native_apis import APIS, SERVES
from tests.stages.realtime_api import RealtimeApi
from tests.stages.tenant_apis import TenantApi, native_service

WITH_A_WAY = ("realtime", "pooler")
KEPT = dict.fromkeys(SERVICES, "kept")
SECONDS = 2.0


@pytest.fixture
def native(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, TenantApi]]:
    """Realtime and Supavisor as they are published; the other services keep the generic contract."""
    realtime, pooler = (SERVES[service] for service in WITH_A_WAY)
    with (
        native_service(stack, monkeypatch, "realtime", realtime, APIS[realtime]) as first,
        native_service(stack, monkeypatch, "pooler", pooler, APIS[pooler]) as second,
    ):
        yield {"realtime": first, "pooler": second}


@pytest.fixture
def job(native: dict[str, TenantApi], project_id: str) -> StagedJob:
    """A job whose tenant is registered with every service."""
    job = open_job(project_id)
    job.run(create_database)
    for service in SERVICES:
        job.run(REGISTER[service])
    return job


def suspend(job: StagedJob, seconds: float = 60.0) -> dict[str, str]:
    return dict(registrations.suspend(control_plane.connect(), str(job.tenant_id), time.monotonic() + seconds))


def resume(job: StagedJob) -> dict[str, str]:
    return dict(registrations.resume(control_plane.connect(), str(job.tenant_id), time.monotonic() + 60.0))


def let_login(stack: Stack, job: StagedJob, attribute: str) -> None:
    """Close the tenant's database to its login, as a suspension does before it asks the services, or reopen it."""
    login = sql.Identifier(job.names.login_role)
    execute(stack, "postgres", sql.SQL("ALTER ROLE {} {}").format(login, sql.SQL(attribute)))


def test_each_service_says_what_it_did(job: StagedJob) -> None:
    assert suspend(job) == KEPT | dict.fromkeys(WITH_A_WAY, "suspended")
    assert resume(job) == KEPT | dict.fromkeys(WITH_A_WAY, "resumed")


@pytest.mark.parametrize("service", WITH_A_WAY)
def test_a_suspended_tenants_clients_are_out_and_stay_out_until_it_is_resumed(
    job: StagedJob, native: dict[str, TenantApi], service: str
) -> None:
    api, tenant_id = native[service], str(job.tenant_id)
    api.serve_client(tenant_id)
    suspend(job)
    assert api.sessions.of(tenant_id) == 0
    with pytest.raises(NotServed):
        api.serve_client(tenant_id)
    resume(job)
    api.serve_client(tenant_id)
    assert api.sessions.of(tenant_id) == 1


def test_sessions_that_a_put_of_realtime_leaves_are_ended_too(job: StagedJob, native: dict[str, TenantApi]) -> None:
    realtime = cast("RealtimeApi", native["realtime"])
    realtime.put_ends_sessions = False
    realtime.serve_client(str(job.tenant_id))
    suspend(job)
    assert realtime.sessions.of(str(job.tenant_id)) == 0


def test_a_repeated_resume_leaves_the_clients_that_are_served(job: StagedJob, native: dict[str, TenantApi]) -> None:
    suspend(job)
    resume(job)
    for api in native.values():
        api.serve_client(str(job.tenant_id))
    resume(job)
    assert [api.sessions.of(str(job.tenant_id)) for api in native.values()] == [1, 1]


def test_a_service_without_a_way_fails_to_connect_until_the_database_is_open_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, project_id: str
) -> None:
    with native_service(stack, monkeypatch, "storage", SERVES["storage"], APIS[SERVES["storage"]]) as storage:
        job = open_job(project_id)
        job.run(create_database)
        job.run(REGISTER["storage"])
        registered = dict(storage.tenants)
        let_login(stack, job, "NOLOGIN")
        assert suspend(job) == {"storage": "kept"}
        assert storage.tenants == registered
        with pytest.raises(psycopg2.OperationalError, match="not permitted to log in"):
            storage.serve_client(str(job.tenant_id))
        let_login(stack, job, "LOGIN")
        assert resume(job) == {"storage": "kept"}
        storage.serve_client(str(job.tenant_id))


def test_neither_needs_the_tenants_database_or_its_secret(stack: Stack, job: StagedJob) -> None:
    let_login(stack, job, "NOLOGIN")
    stack.client("secretsmanager").delete_secret(SecretId=job.names.secret, ForceDeleteWithoutRecovery=True)
    assert suspend(job)["realtime"] == "suspended"
    assert resume(job)["pooler"] == "resumed"


def test_the_control_plane_and_the_laptops_registrations_stay_as_they_are(stack: Stack, job: StagedJob) -> None:
    before = look(stack, job.project_id)
    suspend(job)
    resume(job)
    after = look(stack, job.project_id)
    assert after.service_registrations == before.service_registrations
    assert after.registrations == before.registrations


def test_a_registration_that_was_removed_is_not_asked_for(job: StagedJob, native: dict[str, TenantApi]) -> None:
    job.run(deregister_services)
    for api in native.values():
        api.requests.clear()
    assert suspend(job) == {}
    assert [api.requests for api in native.values()] == [[], []]


def test_one_service_that_refuses_keeps_no_other_from_being_asked(job: StagedJob, native: dict[str, TenantApi]) -> None:
    native["realtime"].secret = "another-secret-that-is-long-enough-to-sign"
    with pytest.raises(ServiceRejectedRegistration, match="realtime answered 403"):
        suspend(job)
    with pytest.raises(NotServed):
        native["pooler"].serve_client(str(job.tenant_id))


def test_a_service_that_hangs_ends_in_time_and_uses_up_no_others(
    job: StagedJob, native: dict[str, TenantApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ProgrammableService() as hanging:
        hanging.will(hang)
        monkeypatch.setenv("REALTIME_SERVICE_URL", hanging.url)
        started = time.monotonic()
        with pytest.raises(ServiceRegistrationFailed, match="realtime"):
            suspend(job, SECONDS)
        assert time.monotonic() - started < SECONDS
    with pytest.raises(NotServed):
        native["pooler"].serve_client(str(job.tenant_id))
