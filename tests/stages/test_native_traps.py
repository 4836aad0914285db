"""What the sources of Realtime and Supavisor hold for who registers tenants, and what a repetition finds."""

from collections.abc import Iterator

import pytest

from local.stack import Stack
from provisioning.errors import ServiceRegistrationFailed
from provisioning.services import adapter_for
from provisioning.stage import Service
from tests.stages.jobs import REGISTER, StagedJob
from tests.stages.realtime_api import RealtimeApi
from tests.stages.registering import job
from tests.stages.supavisor_api import SupavisorApi
from tests.stages.tenant_apis import native_service

__all__ = ["job"]


@pytest.fixture
def realtime(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealtimeApi]:
    with native_service(stack, monkeypatch, "realtime", "supabase-realtime", RealtimeApi) as api:
        yield api


@pytest.fixture
def pooler(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupavisorApi]:
    with native_service(stack, monkeypatch, "pooler", "supavisor", SupavisorApi) as api:
        yield api


def test_realtime_may_count_the_migrations_after_its_answer(job: StagedJob, realtime: RealtimeApi) -> None:
    realtime.unsettled = 2
    assert job.run(REGISTER["realtime"])["external_id"] == job.tenant_id
    assert [method for method, _ in realtime.requests] == ["PUT", "GET", "GET", "GET"]


def test_realtime_that_cannot_reach_the_migrating_node_is_asked_again(job: StagedJob, realtime: RealtimeApi) -> None:
    realtime.nodes_lost = 1
    with pytest.raises(ServiceRegistrationFailed, match="realtime could not migrate the tenant database"):
        job.run(REGISTER["realtime"])
    assert job.run(REGISTER["realtime"])["external_id"] == job.tenant_id


def test_realtime_that_is_keeping_the_tenant_for_another_request_is_asked_again(
    job: StagedJob, realtime: RealtimeApi
) -> None:
    realtime.races = 1
    with pytest.raises(ServiceRegistrationFailed, match="realtime is answering another request about the tenant"):
        job.run(REGISTER["realtime"])
    assert job.run(REGISTER["realtime"])["external_id"] == job.tenant_id


def test_supavisor_that_is_keeping_the_tenant_for_another_request_is_asked_again(
    job: StagedJob, pooler: SupavisorApi
) -> None:
    pooler.races = 1
    with pytest.raises(ServiceRegistrationFailed, match="pooler is answering another request about the tenant"):
        job.run(REGISTER["pooler"])
    assert job.run(REGISTER["pooler"])["external_id"] == job.tenant_id


@pytest.mark.parametrize(
    ("banned_until", "obstacle"),
    [(None, "it bans the tenant"), ("2999-01-01T00:00:00Z", "it bans the tenant"), ("2020-01-01T00:00:00Z", "")],
)
def test_a_ban_of_supavisor_that_has_run_out_is_no_obstacle(
    job: StagedJob, pooler: SupavisorApi, banned_until: str | None, obstacle: str
) -> None:
    job.run(REGISTER["pooler"])
    pooler.tenants[str(job.tenant_id)] |= {"banned_at": "2020-01-01T00:00:00Z", "banned_until": banned_until}
    assert adapter_for(Service.POOLER).obstacle(str(job.tenant_id)) == obstacle
