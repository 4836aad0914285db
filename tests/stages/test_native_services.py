"""Registration with Supabase Realtime, Storage and Supavisor: it counts only when ready, and only for this job."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from local.stack import Stack
from provisioning.errors import (
    FinalizationFailed,
    JobClosed,
    Misconfigured,
    ServiceRegistrationFailed,
    ServiceRejectedRegistration,
)
from provisioning.services import adapter_class
from provisioning.services.supavisor import Supavisor
from stages.activation import finalize
from stages.api_keys import generate_api_keys
from stages.database import create_database
from stages.schema import create_schema
from stages.services import deregister_services
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import REGISTER, StagedJob, execute, open_job
from tests.stages.native_apis import APIS, SERVES
from tests.stages.tenant_apis import TenantApi, native_service


@contextmanager
def running(stack: Stack, monkeypatch: pytest.MonkeyPatch, service: str) -> Iterator[TenantApi]:
    with native_service(stack, monkeypatch, service, SERVES[service], APIS[SERVES[service]]) as api:
        yield api


@pytest.fixture(params=SERVES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(stack: Stack, monkeypatch: pytest.MonkeyPatch, service: str) -> Iterator[TenantApi]:
    with running(stack, monkeypatch, service) as served:
        yield served


@pytest.fixture
def realtime(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[TenantApi]:
    with running(stack, monkeypatch, "realtime") as served:
        yield served


@pytest.fixture
def storage(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[TenantApi]:
    with running(stack, monkeypatch, "storage") as served:
        yield served


@pytest.fixture
def job(project_id: str) -> StagedJob:
    job = open_job(project_id)
    job.run(create_database)
    return job


def test_the_tenant_is_registered_under_its_id_with_credentials_that_sign_in(
    stack: Stack, job: StagedJob, api: TenantApi, service: str
) -> None:
    output = job.run(REGISTER[service])
    assert list(api.tenants) == [output["external_id"]] == [job.tenant_id]
    (row,) = look(stack, job.project_id).service_registrations
    assert row["status"] == "registered"


def test_two_jobs_of_one_project_have_registrations_of_their_own(job: StagedJob, api: TenantApi, service: str) -> None:
    first = job.run(REGISTER[service])["external_id"]
    job.roll_back()
    again = open_job(job.project_id)
    again.run(create_database)
    second = again.run(REGISTER[service])["external_id"]
    assert first != second
    job.run(deregister_services)
    assert list(api.tenants) == [second], "a compensation that comes late removes nothing of the next job's"


def test_the_removal_names_what_was_there_and_leaves_what_is_not_the_jobs(
    job: StagedJob, api: TenantApi, service: str
) -> None:
    api.tenants["somebody-else"] = {}
    job.run(REGISTER[service])
    assert job.run(deregister_services) == {"removed": [f"{service} registration"], "unknown": []}
    assert list(api.tenants) == ["somebody-else"]
    assert job.run(deregister_services) == {"removed": [], "unknown": []}


def test_a_removal_of_what_was_never_registered_is_done(job: StagedJob, api: TenantApi, service: str) -> None:
    api.migrations_fail = 2
    with pytest.raises(ServiceRegistrationFailed):
        job.run(REGISTER[service])
    api.tenants.clear()
    assert job.run(deregister_services) == {"removed": [], "unknown": []}


def test_a_tenant_whose_migrations_failed_is_registered_by_the_next_attempt(
    stack: Stack, job: StagedJob, api: TenantApi, service: str
) -> None:
    api.migrations_fail = 1
    with pytest.raises(ServiceRegistrationFailed):
        job.run(REGISTER[service])
    (row,) = look(stack, job.project_id).service_registrations
    assert row["status"] == "intended"
    external_id = job.run(REGISTER[service])["external_id"]
    assert list(api.tenants) == [external_id]


def test_a_put_that_arrives_after_the_rollback_is_undone(job: StagedJob, api: TenantApi, service: str) -> None:
    adapter = adapter_class(SERVES[service])
    real = adapter.register

    def late(self: Supavisor, *arguments: object) -> object:
        with patch.object(adapter, "register", real):
            job.run(deregister_services)
        return real(self, *arguments)  # type: ignore[arg-type]

    with patch.object(adapter, "register", late), pytest.raises(JobClosed):
        job.run(REGISTER[service])
    assert api.tenants == {}


def test_a_wrong_token_is_read_again_once_and_is_then_permanent(job: StagedJob, api: TenantApi, service: str) -> None:
    api.secret = "another-secret-that-is-long-enough-to-sign"
    with pytest.raises(ServiceRejectedRegistration, match=f"{service} answered 40[13]"):
        job.run(REGISTER[service])
    assert 1 <= len(api.requests) <= 2


def test_finalize_asks_whether_the_service_still_serves_the_tenant(
    job: StagedJob, api: TenantApi, service: str
) -> None:
    job.run(REGISTER[service])
    for other in set(REGISTER) - {service}:
        job.run(REGISTER[other])
    job.run(create_schema)
    job.run(generate_api_keys)
    api.tenants.clear()
    with pytest.raises(FinalizationFailed, match=f"{service} does not serve the tenant"):
        job.run(finalize)


def test_a_repeated_put_of_realtime_does_not_migrate_so_the_tenant_is_put_again(
    job: StagedJob, realtime: TenantApi
) -> None:
    realtime.migrations_fail = 1
    with pytest.raises(ServiceRegistrationFailed, match="could not migrate"):
        job.run(REGISTER["realtime"])
    realtime.requests.clear()
    job.run(REGISTER["realtime"])
    assert [method for method, _ in realtime.requests] == ["PUT", "GET", "DELETE", "PUT", "GET"]


def test_realtime_gets_a_port_in_text_and_a_slot_of_the_tenants_own(
    stack: Stack, new_project: NewProject, realtime: TenantApi
) -> None:
    for _ in range(2):
        job = open_job(new_project())
        job.run(create_database)
        job.run(REGISTER["realtime"])
    settings = [tenant["extensions"][0]["settings"] for tenant in realtime.tenants.values()]
    assert {one["db_port"] for one in settings} == {str(stack.postgres.port)}
    assert len({one["slot_name"] for one in settings}) == 2
    assert all(len(one["slot_name"]) <= 63 for one in settings)


def test_a_slot_has_no_name_that_realtimes_removal_of_another_tenant_looks_for(
    job: StagedJob, realtime: TenantApi
) -> None:
    """It drops every slot like '%realtime%' of the whole server."""
    job.run(REGISTER["realtime"])
    (tenant,) = realtime.tenants.values()
    slot = tenant["extensions"][0]["settings"]["slot_name"]
    assert "realtime" not in slot
    assert str(job.tenant_id) in slot


def test_a_removal_that_realtime_could_not_finish_is_tried_again(job: StagedJob, realtime: TenantApi) -> None:
    job.run(REGISTER["realtime"])
    realtime.removals_fail = 1
    with pytest.raises(ServiceRegistrationFailed, match="realtime answered 500"):
        job.run(deregister_services)
    job.run(deregister_services)
    assert realtime.tenants == {}


def test_storage_gets_the_projects_keys_signed_with_the_secret_that_realtime_gets(
    stack: Stack, job: StagedJob, realtime: TenantApi, storage: TenantApi
) -> None:
    job.run(REGISTER["storage"])
    job.run(REGISTER["realtime"])
    (tenant,) = storage.tenants.values()
    (other,) = realtime.tenants.values()
    assert tenant["jwtSecret"] == other["jwt_secret"]
    for name, role in (("anonKey", "anon"), ("serviceKey", "service_role")):
        claims = jwt.decode(tenant[name], OctKey.import_key(tenant["jwtSecret"]), algorithms=["HS256"]).claims
        assert claims["role"] == role
    kept = stack.client("secretsmanager").get_secret_value(SecretId=job.names.secret)["SecretString"]
    assert tenant["anonKey"] not in kept, "what can be derived is not stored"


def test_no_secret_of_the_project_leaves_by_the_output_the_ledger_or_the_log(
    stack: Stack, job: StagedJob, api: TenantApi, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = job.run(REGISTER[service])
    answer = stack.client("secretsmanager").get_secret_value(SecretId=job.names.secret)
    document = json.loads(answer["SecretString"])
    steps = execute(stack, "control_plane", "SELECT to_jsonb(s)::text FROM control_plane.provisioning_steps s")
    seen = f"{output} {steps} {capsys.readouterr().out}"
    assert document["password"] not in seen
    assert document["jwt_secret"] not in seen


def test_a_service_with_an_adapter_that_nobody_wrote_is_a_mistake_in_the_settings(
    job: StagedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_SERVICE_ADAPTER", "floppy")
    with pytest.raises(Misconfigured, match="STORAGE_SERVICE_ADAPTER must be one of generic"):
        job.run(REGISTER["storage"])
