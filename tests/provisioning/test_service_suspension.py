"""Suspension by each adapter: it needs only the tenant_id, keeps the registration, and reports if unsupported."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from provisioning.errors import ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import adapter_for
from provisioning.services import client as service_client
from provisioning.services.adapter import Adapter
from provisioning.services.generic import Generic
from provisioning.services.supabase_realtime import SupabaseRealtime
from provisioning.services.supavisor import Supavisor
from provisioning.stage import Service
from tests.provisioning.conftest import TENANT_ID, TOKEN
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.client_sessions import NotServed
from tests.stages.native_apis import APIS
from tests.stages.realtime_api import RealtimeApi
from tests.stages.supavisor_api import SupavisorApi
from tests.stages.tenant_apis import StorageApi, TenantApi

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ANOTHER = "tsrqponmlkjihgfedcba"
SECRET = TOKEN * 2
WITH_A_WAY = ("supabase-realtime", "supavisor")


def suspend(adapter: Adapter, tenant_id: str = TENANT_ID) -> bool:
    return adapter.suspend(tenant_id)


def resume(adapter: Adapter, tenant_id: str = TENANT_ID) -> bool:
    return adapter.resume(tenant_id)


@contextmanager
def speaking(monkeypatch: pytest.MonkeyPatch, name: str, api: TenantApi) -> Iterator[Adapter]:
    """An adapter of the auth service, backed by that double, which keeps two tenants."""
    api.tenants = {tenant_id: {"healthy": True, "version": StorageApi.newest} for tenant_id in (TENANT_ID, ANOTHER)}
    with api.serve() as url:
        monkeypatch.setenv("AUTH_SERVICE_URL", url)
        monkeypatch.setenv("AUTH_SERVICE_ADAPTER", name)
        yield adapter_for(Service.AUTH)
        service_client._environment.pool.clear()


@pytest.fixture
def settings(secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is in Secrets Manager, and no tenant has a secret there."""
    monkeypatch.setattr(service_client, "_environment", threading.local())
    secrets_manager.create_secret(Name="tokens", SecretString=json.dumps({"auth": SECRET}))
    monkeypatch.setenv("SERVICE_TOKENS_SECRET_ID", "tokens")
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")


@pytest.fixture(params=WITH_A_WAY)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(name: str) -> TenantApi:
    return APIS[name](SECRET)


@pytest.fixture
def adapter(settings: None, monkeypatch: pytest.MonkeyPatch, name: str, api: TenantApi) -> Iterator[Adapter]:
    with speaking(monkeypatch, name, api) as spoken:
        yield spoken


def suspended(api: TenantApi) -> set[str]:
    return {tenant_id for tenant_id, tenant in api.tenants.items() if tenant.get(api.suspension)}


def test_a_tenant_id_is_all_that_a_suspension_and_its_end_need(adapter: Adapter, api: TenantApi) -> None:
    assert suspend(adapter)
    assert suspended(api) == {TENANT_ID}
    assert resume(adapter)
    assert suspended(api) == set()
    assert all(TENANT_ID in path.split("/") for _, path in api.requests)


def test_a_suspended_tenant_keeps_its_registration_and_is_not_served(adapter: Adapter, api: TenantApi) -> None:
    before = dict(api.tenants[TENANT_ID])
    suspend(adapter)
    assert adapter.exists(TENANT_ID)
    with pytest.raises(NotServed):
        api.serve_client(TENANT_ID)
    assert {field: api.tenants[TENANT_ID][field] for field in before} == before


@pytest.mark.parametrize(("change", "left"), [(suspend, {TENANT_ID}), (resume, set())])
def test_a_repeated_change_changes_nothing(
    adapter: Adapter, api: TenantApi, change: Callable[[Adapter], bool], left: set[str]
) -> None:
    assert change(adapter)
    assert change(adapter)
    assert suspended(api) == left


@pytest.mark.parametrize("change", [suspend, resume])
def test_a_tenant_that_the_service_does_not_know_has_no_way(
    adapter: Adapter, api: TenantApi, change: Callable[[Adapter, str], bool]
) -> None:
    before = json.dumps(api.tenants)
    assert not change(adapter, "z" * 20)
    assert json.dumps(api.tenants) == before


@pytest.mark.parametrize("change", [suspend, resume])
def test_a_refused_token_is_permanent(adapter: Adapter, api: TenantApi, change: Callable[[Adapter], bool]) -> None:
    api.secret = "another-secret-that-is-long-enough-to-sign"
    with pytest.raises(ServiceRejectedRegistration, match="auth answered 403"):
        change(adapter)


@pytest.mark.parametrize("kind", [SupabaseRealtime, Supavisor])
@pytest.mark.parametrize("change", [suspend, resume])
def test_a_service_that_fails_is_transient(
    service: ProgrammableService, kind: type[Adapter], change: Callable[[Adapter], bool]
) -> None:
    service.will(answer(500))
    with pytest.raises(ServiceRegistrationFailed, match="auth answered 500"):
        change(kind(service_client.ServiceClient(Service.AUTH)))


def test_realtime_that_cannot_keep_the_change_is_transient(service: ProgrammableService) -> None:
    service.will(answer(200, {}), answer(401))
    with pytest.raises(ServiceRegistrationFailed, match="could not keep the change"):
        suspend(SupabaseRealtime(service_client.ServiceClient(Service.AUTH)))


def test_a_resume_lifts_also_what_somebody_else_has_set(adapter: Adapter, api: TenantApi) -> None:
    api.tenants[TENANT_ID][api.suspension] = True
    assert resume(adapter)
    assert suspended(api) == set()


def test_supavisor_tells_clients_that_the_project_is_suspended(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    api = SupavisorApi(SECRET)
    with speaking(monkeypatch, "supavisor", api) as adapter:
        suspend(adapter)
    assert api.tenants[TENANT_ID]["ban_reason"] == "project suspended"


def test_a_repeated_resume_asks_realtime_to_end_nothing(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    api = RealtimeApi(SECRET)
    with speaking(monkeypatch, "supabase-realtime", api) as adapter:
        resume(adapter)
    assert [method for method, _ in api.requests] == ["GET", "PUT"]


def test_a_tenant_that_supavisor_bans_is_not_ready(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with speaking(monkeypatch, "supavisor", SupavisorApi(SECRET)) as adapter:
        assert adapter.ready(TENANT_ID)
        suspend(adapter)
        assert not adapter.ready(TENANT_ID)
        resume(adapter)
        assert adapter.ready(TENANT_ID)


@pytest.mark.parametrize("change", [suspend, resume])
def test_supavisor_before_it_could_ban_has_no_way(
    settings: None, monkeypatch: pytest.MonkeyPatch, change: Callable[[Adapter], bool]
) -> None:
    api = SupavisorApi(SECRET)
    api.bans = False
    with speaking(monkeypatch, "supavisor", api) as adapter:
        before: dict[str, Any] = dict(api.tenants)
        assert not change(adapter)
        assert api.tenants == before
        assert adapter.ready(TENANT_ID)


@pytest.mark.parametrize("change", [suspend, resume])
def test_storage_has_no_way_and_is_not_asked(
    settings: None, monkeypatch: pytest.MonkeyPatch, change: Callable[[Adapter], bool]
) -> None:
    api = StorageApi(SECRET)
    with speaking(monkeypatch, "supabase-storage", api) as adapter:
        assert not change(adapter)
        assert api.requests == []
        assert adapter.exists(TENANT_ID)


@pytest.mark.parametrize("change", [suspend, resume])
def test_the_generic_contract_has_no_way_and_its_service_is_not_asked(
    service: ProgrammableService, client: Generic, change: Callable[[Adapter], bool]
) -> None:
    service.will(answer(500))
    assert not change(client)
    assert service.requests == []
