"""A removal counts a tenant as absent only by the service's own word: any other 404 is a failure."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from provisioning.errors import ServiceRejectedRegistration
from provisioning.services import adapter_class
from provisioning.services import client as service_client
from provisioning.services.adapter import Adapter
from provisioning.services.client import ServiceClient
from provisioning.services.generic import Generic
from provisioning.services.supavisor import Supavisor
from provisioning.stage import Service
from tests.provisioning.conftest import ABSENT, TENANT_ID, TOKEN
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.native_apis import APIS
from tests.stages.tenant_apis import TenantApi

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NOT_ITS_OWN = "^auth answered 404, but not as this service does$"
NGINX = b"<html><head><title>404 Not Found</title></head></html>"
OF_OTHERS = [b"", NGINX, b'"Not Found"', b'{"error": "not found"}', b'{"message": "not found"}', b"[" * 9999]
"""Bodies of a proxy, of a route that is missing, and of other services about a tenant of theirs."""

CROSSED = {"supabase-realtime": "supavisor", "supavisor": "supabase-realtime"}
"""Adapters at the admin port of a service with the same paths and the same kind of token."""

QUESTIONS = ("deregister", "exists", "obstacle")


@pytest.fixture(autouse=True)
def settings(secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(service_client, "_environment", threading.local())
    secrets_manager.create_secret(Name="native-tokens", SecretString=json.dumps({"auth": TOKEN * 2}))
    monkeypatch.setenv("SERVICE_TOKENS_SECRET_ID", "native-tokens")
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")
    yield
    service_client._environment.pool.clear()


def serving(name: str) -> TenantApi:
    """A service of that kind which has the tenant."""
    api = APIS[name](TOKEN * 2)
    api.tenants = {TENANT_ID: {"healthy": True, "version": "all-of-it"}}
    return api


def at(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> Adapter:
    monkeypatch.setenv("AUTH_SERVICE_URL", url)
    return adapter_class(name)(ServiceClient(Service.AUTH))


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("name", APIS)
def test_at_a_wrong_address_of_the_service_nothing_counts_as_absent(
    monkeypatch: pytest.MonkeyPatch, name: str, ask: str
) -> None:
    api = serving(name)
    with api.serve() as url, pytest.raises(ServiceRejectedRegistration, match=NOT_ITS_OWN):
        getattr(at(monkeypatch, name, f"{url}/v1"), ask)(TENANT_ID)
    assert TENANT_ID in api.tenants


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("body", [b"", NGINX])
@pytest.mark.parametrize("name", APIS)
def test_behind_a_proxy_that_has_lost_the_service_nothing_counts_as_absent(
    monkeypatch: pytest.MonkeyPatch, name: str, body: bytes, ask: str
) -> None:
    api = serving(name)
    api.proxy = (404, body)
    with api.serve() as url:
        adapter = at(monkeypatch, name, url)
        with pytest.raises(ServiceRejectedRegistration, match=NOT_ITS_OWN):
            getattr(adapter, ask)(TENANT_ID)
        api.proxy = None
        assert adapter.deregister(TENANT_ID)
        assert not adapter.deregister(TENANT_ID)


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("name", CROSSED)
def test_another_service_that_knows_no_tenant_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, name: str, ask: str
) -> None:
    api = APIS[CROSSED[name]](TOKEN * 2)
    with api.serve() as url, pytest.raises(ServiceRejectedRegistration, match=NOT_ITS_OWN):
        getattr(at(monkeypatch, name, url), ask)(TENANT_ID)


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("body", [*OF_OTHERS, b'{"error": "not registered", "path": "/"}', b'{"detail": "Not Found"}'])
def test_a_404_without_the_body_of_the_contract_is_no_absence(
    service: ProgrammableService, monkeypatch: pytest.MonkeyPatch, body: bytes, ask: str
) -> None:
    service.will(answer(404, body))
    with pytest.raises(ServiceRejectedRegistration, match=NOT_ITS_OWN):
        getattr(at(monkeypatch, "generic", service.url), ask)(TENANT_ID)


def test_a_404_with_the_body_of_the_contract_is_an_absence(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(404, ABSENT))
    assert not client.deregister(TENANT_ID)
    assert not client.exists(TENANT_ID)


@pytest.mark.parametrize("name", ["supabase-realtime", "supabase-storage"])
@pytest.mark.parametrize("body", OF_OTHERS[:3])
def test_a_delete_that_did_not_arrive_removes_nothing(
    service: ProgrammableService, monkeypatch: pytest.MonkeyPatch, name: str, body: bytes
) -> None:
    service.will(answer(200, {}), answer(404, body))
    with pytest.raises(ServiceRejectedRegistration, match=NOT_ITS_OWN):
        at(monkeypatch, name, service.url).deregister(TENANT_ID)


def test_an_empty_404_to_a_delete_is_no_removal_while_supavisor_has_the_tenant(
    service: ProgrammableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.will(answer(200, {}), answer(404), answer(200, {}))
    with pytest.raises(ServiceRejectedRegistration, match="auth answered 404"):
        at(monkeypatch, "supavisor", service.url).deregister(TENANT_ID)
    assert [request.method for request in service.requests] == ["GET", "DELETE", "GET"]


@pytest.mark.parametrize("change", [Supavisor.suspend, Supavisor.resume])
def test_a_404_of_a_proxy_does_not_say_that_supavisor_cannot_ban(
    service: ProgrammableService, monkeypatch: pytest.MonkeyPatch, change: Callable[[Adapter, str], bool]
) -> None:
    service.will(answer(404, NGINX))
    with pytest.raises(ServiceRejectedRegistration, match=NOT_ITS_OWN):
        change(at(monkeypatch, "supavisor", service.url), TENANT_ID)
