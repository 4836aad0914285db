"""Adapters list the tenants that a service has, within bounds, and say if its contract has no list."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local import services as laptop_services
from local.services import RegistrationServices
from provisioning.errors import ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import adapter, adapter_class, adapter_for, generic
from provisioning.services.adapter import Adapter
from provisioning.services.client import ServiceClient
from provisioning.services.generic import Generic
from provisioning.stage import Service
from tests.provisioning.conftest import TENANT_ID, TOKEN
from tests.provisioning.programmable_service import ProgrammableService, answer, drip
from tests.stages.native_apis import APIS
from tests.stages.tenant_apis import TenantApi

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ANOTHER = "tsrqponmlkjihgfedcba"
SECRET = TOKEN * 2
WITH_A_LIST = ("supabase-realtime", "supabase-storage")
ROWS: dict[str, Callable[[Any], Any]] = {
    "generic": lambda ids: {"tenant_ids": ids},
    "supabase-realtime": lambda ids: {"data": [{"external_id": one} for one in ids]},
    "supabase-storage": lambda ids: [{"id": one} for one in ids],
}
"""A list as each kind of service answers it."""


@pytest.fixture(params=WITH_A_LIST)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(
    service: ProgrammableService,
    secrets_manager: "SecretsManagerClient",
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> Iterator[TenantApi]:
    """The double of a native service, to which the auth service's settings point."""
    secrets_manager.put_secret_value(SecretId="tokens", SecretString=json.dumps({"auth": SECRET}))
    double = APIS[name](SECRET)
    with double.serve() as url:
        monkeypatch.setenv("AUTH_SERVICE_URL", url)
        monkeypatch.setenv("AUTH_SERVICE_ADAPTER", name)
        yield double


@pytest.fixture(params=ROWS)
def programmed(request: pytest.FixtureRequest, service: ProgrammableService) -> tuple[ProgrammableService, Adapter]:
    """A programmable service, and each adapter that can list its tenants."""
    return service, adapter_class(str(request.param))(ServiceClient(Service.AUTH))


def page(*tenant_ids: object, **more: object) -> Any:
    return answer(200, {"tenant_ids": tenant_ids} | more)


def test_a_native_service_lists_every_tenant(api: TenantApi) -> None:
    api.tenants = {one: {"jwtSecret": "hunter22"} for one in (TENANT_ID, ANOTHER)}
    assert adapter_for(Service.AUTH).tenant_ids() == {TENANT_ID, ANOTHER}


def test_a_native_service_without_tenants_lists_none(api: TenantApi) -> None:
    assert adapter_for(Service.AUTH).tenant_ids() == set()


def test_a_wrong_token_is_no_empty_list(api: TenantApi) -> None:
    api.secret = "another-secret-that-is-long-enough-to-sign"
    with pytest.raises(ServiceRejectedRegistration, match=r"auth answered 40[13]"):
        adapter_for(Service.AUTH).tenant_ids()


@pytest.mark.parametrize("name", ["supavisor"])
def test_supavisor_has_no_list_and_is_not_asked(api: TenantApi) -> None:
    assert adapter_for(Service.AUTH).tenant_ids() is None
    assert api.requests == []


def test_the_laptop_lists_its_tenants_page_by_page(
    service: ProgrammableService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laptop_services, "PAGE", 2)
    services = RegistrationServices(tmp_path / "registrations.sqlite3", {"auth": TOKEN})
    services.start()
    monkeypatch.setenv("AUTH_SERVICE_URL", services.url("auth"))
    made = [letter * 20 for letter in "abcde"]
    for one in made:
        services.store.register("auth", one, "p-1", "k-1", "https://auth")
    services.store.register("storage", "z" * 20, "p-1", "k-1", "https://storage")
    assert adapter_for(Service.AUTH).tenant_ids() == set(made)
    services.stop()


def test_a_cursor_is_sent_back_as_it_was_given(service: ProgrammableService, client: Generic) -> None:
    service.will(page(TENANT_ID, next="a&cursor=b/+%"), page(ANOTHER))
    assert client.tenant_ids() == {TENANT_ID, ANOTHER}
    assert [request.path for request in service.requests] == ["/tenants", "/tenants?cursor=a%26cursor%3Db%2F%2B%25"]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_service_that_does_not_know_the_operation_has_no_list(
    programmed: tuple[ProgrammableService, Adapter], status: int
) -> None:
    service, asked = programmed
    service.will(answer(status, {"error": "no"}))
    assert asked.tenant_ids() is None


def test_a_list_that_ends_in_an_error_is_no_list(service: ProgrammableService, client: Generic) -> None:
    service.will(page(TENANT_ID, next="2"), answer(404))
    with pytest.raises(ServiceRejectedRegistration, match="auth answered 404"):
        client.tenant_ids()


def test_a_service_that_fails_is_transient(programmed: tuple[ProgrammableService, Adapter]) -> None:
    service, asked = programmed
    service.will(answer(500))
    with pytest.raises(ServiceRegistrationFailed, match="auth answered 500"):
        asked.tenant_ids()


@pytest.mark.parametrize("kind", ROWS)
def test_ids_that_are_not_in_our_form_are_somebody_elses(service: ProgrammableService, kind: str) -> None:
    others = ["", "demo", TENANT_ID.upper(), f"{TENANT_ID}\n", TENANT_ID[:-1], f"{TENANT_ID}a", "ä" * 20]
    service.will(answer(200, ROWS[kind]([*others, TENANT_ID])))
    assert adapter_class(kind)(ServiceClient(Service.AUTH)).tenant_ids() == {TENANT_ID}


@pytest.mark.parametrize("odd", [None, 1, {"id": "hunter22"}, ["hunter22"]])
@pytest.mark.parametrize("kind", ROWS)
def test_a_list_of_anything_else_is_refused_without_repeating_it(
    service: ProgrammableService, kind: str, odd: object
) -> None:
    service.will(answer(200, ROWS[kind]([TENANT_ID, odd])))
    with pytest.raises(ServiceRegistrationFailed, match="auth answered no usable list of tenants") as refused:
        adapter_class(kind)(ServiceClient(Service.AUTH)).tenant_ids()
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"{", b"1", {}, {"data": 1}, {"tenant_ids": {}}, [["hunter22"]], b"[" * 60_000])
def test_an_answer_that_is_no_list_is_refused(programmed: tuple[ProgrammableService, Adapter], body: object) -> None:
    service, asked = programmed
    service.will(answer(200, body))
    with pytest.raises(ServiceRegistrationFailed, match="auth answered") as refused:
        asked.tenant_ids()
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize("cursor", [1, "", "\n", "x" * 513, ["2"]])
def test_a_cursor_that_breaks_the_contract_is_refused(
    service: ProgrammableService, client: Generic, cursor: object
) -> None:
    service.will(page(TENANT_ID, next=cursor))
    with pytest.raises(ServiceRegistrationFailed, match="auth answered no usable next"):
        client.tenant_ids()


def test_a_cursor_that_comes_again_ends_the_list(service: ProgrammableService, client: Generic) -> None:
    service.will(page(TENANT_ID, next="2"))
    with pytest.raises(ServiceRegistrationFailed, match="auth lists its tenants without end"):
        client.tenant_ids()
    assert len(service.requests) == 2


def test_a_list_has_only_so_many_pages(
    service: ProgrammableService, client: Generic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generic, "MOST_PAGES", 3)
    service.will(*(page(TENANT_ID, next=str(number)) for number in range(5)))
    with pytest.raises(ServiceRegistrationFailed, match="auth lists its tenants without end"):
        client.tenant_ids()
    assert len(service.requests) == 3


def test_a_native_list_may_be_longer_than_other_answers_and_is_bounded(
    service: ProgrammableService, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = adapter_class(name)
    many = [f"{number:020}" for number in range(10_000)]
    service.will(answer(200, ROWS[name]([*many, TENANT_ID])))
    assert native(ServiceClient(Service.AUTH)).tenant_ids() == {TENANT_ID}
    monkeypatch.setattr(f"{native.__module__}.LARGEST_LIST_BYTES", 100_000)
    with pytest.raises(ServiceRegistrationFailed, match="something its contract does not know"):
        native(ServiceClient(Service.AUTH)).tenant_ids()


@pytest.mark.parametrize("kind", ROWS)
def test_a_list_ends_by_the_deadline_of_whoever_asks(service: ProgrammableService, kind: str) -> None:
    assert adapter.LIST_SECONDS > 5
    service.will(drip(seconds=5))
    begun = time.monotonic()
    with pytest.raises(ServiceRegistrationFailed, match="auth did not answer"):
        adapter_class(kind)(ServiceClient(Service.AUTH, begun + 0.5)).tenant_ids()
    assert time.monotonic() - begun < 3
