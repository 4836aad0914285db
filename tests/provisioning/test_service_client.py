import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from provisioning.errors import Misconfigured, ResourceConflict, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import client as service_client
from provisioning.services.client import ServiceClient
from provisioning.services.generic import Generic, idempotency_key
from provisioning.stage import Service
from tests.provisioning.conftest import ABSENT, KEY, KNOWN, REGISTERED, TENANT_ID, TOKEN
from tests.provisioning.programmable_service import ProgrammableService, answer, reset

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TENANT = {"tenant_id": TENANT_ID, "database": {"name": f"tenant_{TENANT_ID}"}}
FINAL = [300, 301, 302, 303, 304, 307, 308, 400, 402, 403, 404, 405, 406, 410, 413, 418, 422, 431, 451]
PASSING = [408, 425, 429, 500, 502, 503, 504, 507, 599]


@pytest.mark.parametrize("status", [200, 201])
def test_a_registration_that_is_new_or_was_there_already_is_returned(
    service: ProgrammableService, client: Generic, status: int
) -> None:
    service.will(answer(status, KNOWN))
    assert client.put(TENANT_ID, TENANT) == REGISTERED


def test_fields_that_the_contract_does_not_know_are_ignored(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(201, KNOWN | {"plan": "free", "token": TOKEN}))
    assert client.put(TENANT_ID, TENANT) == REGISTERED


def test_a_registration_is_a_put_of_the_tenant_with_token_and_idempotency_key(
    service: ProgrammableService, client: Generic
) -> None:
    service.will(answer(201, KNOWN))
    client.put(TENANT_ID, TENANT)
    (request,) = service.requests
    assert (request.method, request.path) == ("PUT", f"/tenants/{TENANT_ID}")
    assert json.loads(request.body) == TENANT
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Idempotency-Key"] == KEY
    assert request.headers["Content-Type"] == "application/json"


def test_a_deregistration_carries_token_and_idempotency_key(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(204))
    client.deregister(TENANT_ID)
    (request,) = service.requests
    assert (request.method, request.path, request.body) == ("DELETE", f"/tenants/{TENANT_ID}", b"")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Idempotency-Key"] == KEY


def test_looking_up_a_tenant_carries_no_idempotency_key(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(200, KNOWN))
    client.find(TENANT_ID)
    (request,) = service.requests
    assert (request.method, request.path) == ("GET", f"/tenants/{TENANT_ID}")
    assert "Idempotency-Key" not in request.headers


@pytest.mark.parametrize(
    ("tenant_id", "path"),
    [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b"), ("../x", "..%2Fx"), ("é", "%C3%A9"), ("%2F", "%252F")],
)
def test_a_tenant_id_cannot_leave_its_place_in_the_path(
    service: ProgrammableService, client: Generic, tenant_id: str, path: str
) -> None:
    service.will(answer(404, ABSENT))
    client.find(tenant_id)
    assert service.requests[0].path == f"/tenants/{path}"


def test_the_base_url_keeps_its_path(
    service: ProgrammableService, monkeypatch: pytest.MonkeyPatch, client: Generic
) -> None:
    monkeypatch.setenv("AUTH_SERVICE_URL", f"{service.url}/v1/auth/")
    service.will(answer(404, ABSENT))
    Generic(ServiceClient(Service.AUTH)).find(TENANT_ID)
    assert service.requests[0].path == f"/v1/auth/tenants/{TENANT_ID}"


def test_a_tenant_under_another_key_is_a_conflict(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(409, {"error": "registered under another idempotency key"}))
    with pytest.raises(ResourceConflict):
        client.put(TENANT_ID, TENANT)
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", FINAL)
def test_a_final_no_is_permanent(service: ProgrammableService, client: Generic, status: int) -> None:
    service.will(answer(status, {"error": TOKEN}))
    with pytest.raises(ServiceRejectedRegistration, match=rf"^auth answered {status}$"):
        client.put(TENANT_ID, TENANT)
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", PASSING)
def test_an_answer_that_may_change_is_transient(service: ProgrammableService, client: Generic, status: int) -> None:
    service.will(answer(status, headers={"Retry-After": "0"}))
    with pytest.raises(ServiceRegistrationFailed, match=rf"^auth answered {status}$"):
        client.put(TENANT_ID, TENANT)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(service: ProgrammableService, client: Generic, status: int) -> None:
    service.will(answer(status, headers={"Location": f"{service.url}/elsewhere"}), answer(200, KNOWN))
    with pytest.raises(ServiceRejectedRegistration):
        client.find(TENANT_ID)
    assert [request.path for request in service.requests] == [f"/tenants/{TENANT_ID}"]


def test_a_tenant_that_a_service_does_not_know_is_not_found(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(404, ABSENT))
    assert client.find(TENANT_ID) is None


def test_a_tenant_that_a_service_knows_is_found(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(200, KNOWN))
    assert client.find(TENANT_ID) == REGISTERED


def test_a_removal_that_the_contract_does_not_know_is_not_taken_for_one(
    service: ProgrammableService, client: Generic
) -> None:
    service.will(answer(200, b"garbage"))
    with pytest.raises(ServiceRegistrationFailed, match="answered 200"):
        client.deregister(TENANT_ID)


@pytest.mark.parametrize(("status", "removed"), [(204, True), (404, False), (409, False)])
def test_a_deregistration_tells_whether_it_removed_anything(
    service: ProgrammableService, client: Generic, status: int, removed: bool
) -> None:
    service.will(answer(status, ABSENT if status == 404 else b""))
    assert client.deregister(TENANT_ID) is removed


@pytest.mark.parametrize(("status", "error"), [(500, ServiceRegistrationFailed), (403, ServiceRejectedRegistration)])
def test_a_deregistration_that_was_refused_is_no_deregistration(
    service: ProgrammableService, client: Generic, status: int, error: type[Exception]
) -> None:
    service.will(answer(status))
    with pytest.raises(error):
        client.deregister(TENANT_ID)


def test_a_token_is_read_once_for_many_requests(
    service: ProgrammableService, client: Generic, secrets_manager: "SecretsManagerClient"
) -> None:
    service.will(answer(404, ABSENT))
    client.find(TENANT_ID)
    secrets_manager.put_secret_value(SecretId="tokens", SecretString=json.dumps({"auth": "new"}))
    Generic(ServiceClient(Service.AUTH)).find(TENANT_ID)
    assert [request.headers["Authorization"] for request in service.requests] == [f"Bearer {TOKEN}"] * 2


def test_a_rotated_token_is_read_again(
    service: ProgrammableService, client: Generic, secrets_manager: "SecretsManagerClient"
) -> None:
    service.will(answer(404, ABSENT))
    client.find(TENANT_ID)
    secrets_manager.put_secret_value(SecretId="tokens", SecretString=json.dumps({"auth": "new"}))
    service.will(answer(401), answer(201, KNOWN))
    assert client.put(TENANT_ID, TENANT) == REGISTERED
    assert [request.headers["Authorization"] for request in service.requests[1:]] == [f"Bearer {TOKEN}", "Bearer new"]


def test_a_token_that_stays_wrong_is_permanent_after_one_more_try(
    service: ProgrammableService, client: Generic
) -> None:
    service.will(answer(401))
    with pytest.raises(ServiceRejectedRegistration, match=r"^auth answered 401$"):
        client.put(TENANT_ID, TENANT)
    assert len(service.requests) == 2


def test_a_service_without_a_token_is_a_mistake_in_the_settings(
    service: ProgrammableService, client: Generic, secrets_manager: "SecretsManagerClient"
) -> None:
    secrets_manager.put_secret_value(SecretId="tokens", SecretString=json.dumps({"storage": TOKEN}))
    with pytest.raises(Misconfigured):
        client.find(TENANT_ID)


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN}\r\nX-Injected: yes", f"{TOKEN}\N{BULLET}"], ids=ascii)
def test_a_token_that_is_no_header_is_a_mistake_in_the_settings(
    service: ProgrammableService, client: Generic, secrets_manager: "SecretsManagerClient", token: str
) -> None:
    secrets_manager.put_secret_value(SecretId="tokens", SecretString=json.dumps({"auth": token}))
    with pytest.raises(Misconfigured) as refused:
        client.find(TENANT_ID)
    assert TOKEN not in str(refused.value)


def test_every_wait_together_ends_before_a_lambda_does() -> None:
    tries = 1 + service_client.QUICK_RETRIES
    longest = tries * (service_client.CONNECT_TIMEOUT_SECONDS + service_client.READ_TIMEOUT_SECONDS)
    assert longest + service_client.QUICK_RETRIES * service_client.LONGEST_RETRY_AFTER_SECONDS < 50


def test_a_tenant_has_one_key_per_service_which_a_header_can_carry() -> None:
    tenant_ids = (TENANT_ID, TENANT_ID[::-1])
    keys = [idempotency_key(tenant_id, service) for tenant_id in tenant_ids for service in Service]
    assert KEY in keys
    assert len(set(keys)) == len(keys)
    assert all(key.isascii() and len(key) == 36 for key in keys)


def test_requests_of_one_environment_share_a_connection(service: ProgrammableService, client: Generic) -> None:
    ports = set()

    def noted(running: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
        ports.add(connection.client_address[1])
        answer(200, KNOWN)(running, connection)

    service.will(noted)
    for _ in range(3):
        client.put(TENANT_ID, TENANT)
        assert client.find(TENANT_ID) is not None
    assert len(ports) == 1


def test_a_kept_connection_that_turns_out_to_have_ended_is_replaced_at_once(
    service: ProgrammableService, client: Generic
) -> None:
    service.will(answer(200, KNOWN), reset, answer(200, KNOWN))
    client.put(TENANT_ID, TENANT)
    assert client.find(TENANT_ID) is not None
    assert [request.method for request in service.requests] == ["PUT", "GET", "GET"]


def test_a_new_connection_that_is_cut_is_no_kept_one(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(200, KNOWN), reset)
    client.put(TENANT_ID, TENANT)
    with pytest.raises(ServiceRegistrationFailed, match="did not answer"):
        client.find(TENANT_ID)
    assert len(service.requests) == 3
