import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.errors import HumanError
from local.registration_store import RegistrationStore
from local.services import RegistrationServices
from provisioning.stage import Service

TOKENS = {service: f"token-of-{service}" for service in map(str, Service)}
TENANT_ID = "abcdefghijklmnopqrst"
ANOTHER = "tsrqponmlkjihgfedcba"
BODY = {
    "tenant_id": TENANT_ID,
    "project_id": "p-1",
    "region": "us-east-1",
    "organization_id": "o-1",
    "secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:s",
    "database": {"host": "127.0.0.1", "port": 5432, "name": "d", "schema": "tenant"},
}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[RegistrationServices]:
    running = RegistrationServices(tmp_path / "registrations.sqlite3", TOKENS)
    running.start()
    yield running
    running.stop()


class Caller:
    def __init__(self, services: RegistrationServices, service: str = "auth", token: str = "") -> None:
        self._http = urllib3.PoolManager()
        self._base = services.url(service)
        self._token = token or TOKENS[service]

    def __call__(
        self, method: str, key: str | None = "k-1", body: Any = BODY, path: str = f"/tenants/{TENANT_ID}"
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Idempotency-Key": key} if key else {})
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self._http.request(
            method, self._base + path, headers=headers, body=sent if method == "PUT" else None, retries=False
        )
        self._http.clear()
        return answer.status, json.loads(answer.data) if answer.data else None


@pytest.fixture
def call(services: RegistrationServices) -> Caller:
    return Caller(services)


def test_a_new_tenant_is_created(call: Caller, services: RegistrationServices) -> None:
    status, tenant = call("PUT")
    assert status == 201
    assert set(tenant) == {"endpoint", "registered_at"}
    assert tenant["endpoint"] == f"{services.url('auth')}/tenants/{TENANT_ID}"


def test_the_same_key_again_gives_the_same_tenant(call: Caller) -> None:
    created = call("PUT")[1]
    assert call("PUT") == (200, created)


def test_another_key_is_a_conflict(call: Caller) -> None:
    call("PUT")
    assert call("PUT", "k-2") == (409, {"error": "registered under another idempotency key"})


def test_a_tenant_can_be_read(call: Caller) -> None:
    created = call("PUT")[1]
    assert call("GET") == (200, created)


def test_an_absent_tenant_is_not_found(call: Caller) -> None:
    assert call("GET")[0] == 404


def test_delete_removes_and_closes_the_key(call: Caller) -> None:
    call("PUT")
    assert call("DELETE") == (204, None)
    assert call("GET")[0] == 404
    assert call("PUT") == (409, {"error": "idempotency key closed"})


def test_delete_of_nothing_closes_the_key_against_a_late_put(call: Caller) -> None:
    assert call("DELETE")[0] == 404
    assert call("PUT") == (409, {"error": "idempotency key closed"})


def test_delete_under_another_key_leaves_the_tenant_and_closes_that_key(call: Caller) -> None:
    created = call("PUT")[1]
    assert call("DELETE", "k-2")[0] == 409
    assert call("GET") == (200, created)
    assert call("PUT", "k-2") == (409, {"error": "idempotency key closed"})


def test_a_closed_key_does_not_affect_other_tenants(call: Caller) -> None:
    call("DELETE")
    body = BODY | {"tenant_id": ANOTHER}
    assert call("PUT", body=body, path=f"/tenants/{ANOTHER}")[0] == 201


def test_a_project_can_have_another_tenant_while_its_first_is_registered(
    call: Caller, services: RegistrationServices
) -> None:
    first = call("PUT")[1]
    second = call("PUT", "k-2", BODY | {"tenant_id": ANOTHER}, f"/tenants/{ANOTHER}")[1]
    assert services.store.tenants("auth") == {TENANT_ID: first, ANOTHER: second}


def test_a_new_key_can_register_after_a_removal(call: Caller) -> None:
    call("PUT")
    call("DELETE")
    assert call("PUT", "k-2")[0] == 201


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_a_bad_token_is_refused(services: RegistrationServices, method: str) -> None:
    assert Caller(services, token="wrong")(method) == (401, {"error": "bad token"})


def test_the_token_of_another_service_is_refused(services: RegistrationServices) -> None:
    assert Caller(services, token=TOKENS["storage"])("GET")[0] == 401


def test_a_service_lists_its_tenants_and_no_others(call: Caller, services: RegistrationServices) -> None:
    assert call("GET", path="/tenants") == (200, {"tenant_ids": []})
    call("PUT")
    Caller(services, "storage")("PUT", body=BODY | {"tenant_id": ANOTHER}, path=f"/tenants/{ANOTHER}")
    assert call("GET", path="/tenants") == (200, {"tenant_ids": [TENANT_ID]})
    assert call("GET", path=f"/tenants?cursor={TENANT_ID}") == (200, {"tenant_ids": []})


def test_a_list_needs_the_token_of_its_service(services: RegistrationServices) -> None:
    assert Caller(services, token="wrong")("GET", path="/tenants") == (401, {"error": "bad token"})


@pytest.mark.parametrize(
    "query", ["cursor=", "cursor=%20", f"cursor={'x' * 513}", "limit=1", "cursor=a&cursor=b", "=0"]
)
def test_a_query_that_the_contract_does_not_have_is_refused(call: Caller, query: str) -> None:
    assert call("GET", path=f"/tenants?{query}")[0] == 422


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tenants/",
        "/tenants/p-1",
        f"/tenants/{TENANT_ID[:-1]}",
        f"/tenants/{TENANT_ID}u",
        f"/tenants/{TENANT_ID.upper()}",
        f"/tenants/{TENANT_ID[:-1]}0",
        f"/tenants/{TENANT_ID[:-1]}%20",
        f"/tenants/{TENANT_ID}%0A",
        f"/tenants/{TENANT_ID}/q",
        "/other",
    ],
)
def test_unknown_paths_are_not_found(call: Caller, path: str) -> None:
    status, answer = call("GET", path=path)
    assert status == 404
    assert "error" in answer


def test_another_method_is_refused_in_json(call: Caller) -> None:
    assert call("POST") == (405, {"error": "method not allowed"})


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "body must be an object"),
        ([], "body must be an object"),
        ({name: value for name, value in BODY.items() if name != "region"}, "region must be a text"),
        (BODY | {"secret_arn": ""}, "secret_arn must be a text"),
        (BODY | {"database": "d"}, "database must be an object"),
        (BODY | {"database": {"host": "h", "port": True, "name": "d", "schema": "s"}}, "port must be a number"),
        ({name: value for name, value in BODY.items() if name != "tenant_id"}, "tenant_id must be a text"),
        (BODY | {"tenant_id": ANOTHER}, "tenant_id differs from the one in the path"),
        (BODY | {"project_id": "-p"}, "project_id must be 1 to 64 letters, digits, _ and -"),
        (BODY | {"project_id": "p\ud800"}, "project_id must be 1 to 64 letters, digits, _ and -"),
    ],
)
def test_malformed_bodies_are_refused(call: Caller, body: Any, problem: str) -> None:
    assert call("PUT", body=body) == (422, {"error": problem})


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_missing_key_is_refused(call: Caller, method: str) -> None:
    assert call(method, key=None)[0] == 422


def test_services_do_not_share_tenants(services: RegistrationServices) -> None:
    Caller(services, "auth")("PUT")
    assert Caller(services, "storage")("GET")[0] == 404
    assert list(services.store.tenants("auth")) == [TENANT_ID]
    assert services.store.tenants("storage") == {}


def test_registrations_survive_a_restart(tmp_path: Path) -> None:
    created = []
    for _ in range(2):
        services = RegistrationServices(tmp_path / "registrations.sqlite3", TOKENS)
        services.start()
        created.append(Caller(services)("PUT"))
        services.stop()
    assert created == [(201, created[0][1]), (200, created[0][1])]


def test_a_registration_is_in_the_files_before_its_caller_hears_of_it(
    services: RegistrationServices, call: Caller, tmp_path: Path
) -> None:
    _, created = call("PUT")
    left = tmp_path / "what a kill -9 leaves"
    left.mkdir()
    for file in tmp_path.glob("registrations.sqlite3*"):
        shutil.copy(file, left)
    store = RegistrationStore(left / "registrations.sqlite3")
    assert store.tenants("auth") == {TENANT_ID: created}
    store.close()


def test_a_port_that_is_taken_is_named(services: RegistrationServices, tmp_path: Path) -> None:
    with pytest.raises(HumanError, match=f"port {services.port} of 127.0.0.1 is taken"):
        RegistrationServices(tmp_path / "other.sqlite3", TOKENS, port=services.port)
