import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provisioning.errors import ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import client as service_client
from provisioning.services.client import LARGEST_ANSWER_BYTES, ServiceClient
from provisioning.services.generic import Generic
from provisioning.stage import Service
from tests.provisioning.conftest import KEY, KNOWN, REGISTERED, TENANT_ID, TOKEN
from tests.provisioning.programmable_service import (
    Behaviour,
    ProgrammableService,
    answer,
    cut_off,
    drip,
    endless,
    hang,
    reset,
)

PATIENCE_SECONDS = 0.3
GARBAGE: dict[str, object] = {
    "nothing": b"",
    "no JSON": b"<html>it works</html>",
    "half of a document": b'{"endpoint": "https://auth/demo", ',
    "bytes that are no text": b"\xff\xfe\x00",
    "null": None,
    "a number": 7,
    "a text": "auth_1",
    "an array": [KNOWN],
    "a huge number": b'{"endpoint": ' + b"9" * 5000 + b"}",
}
UNUSABLE: dict[str, object] = {
    "an empty object": {},
    "a field missing": {name: value for name, value in KNOWN.items() if name != "endpoint"},
    "a field null": KNOWN | {"endpoint": None},
    "a field that is a number": KNOWN | {"endpoint": 7},
    "a field that is an array": KNOWN | {"endpoint": ["https://auth/demo"]},
    "a field with a newline": KNOWN | {"endpoint": "https://auth/demo\nX: y"},
    "a field with NUL": KNOWN | {"endpoint": "auth\x00"},
    "a field with a lone surrogate": KNOWN | {"endpoint": "auth\ud800"},
    "a field that is too long": KNOWN | {"endpoint": "a" * 513},
}
TOO_LARGE = KNOWN | {"note": "x" * LARGEST_ANSWER_BYTES}


@pytest.fixture(autouse=True)
def _short_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_client, "LONGEST_RETRY_AFTER_SECONDS", 1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits a fraction of what the real one waits."""
    monkeypatch.setattr(service_client, "CONNECT_TIMEOUT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(service_client, "READ_TIMEOUT_SECONDS", PATIENCE_SECONDS)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def failure(client: Generic) -> ServiceRegistrationFailed:
    with pytest.raises(ServiceRegistrationFailed) as failed:
        client.put(TENANT_ID, {"project_id": "demo"})
    return failed.value


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", [hang, reset, cut_off], ids=lambda behaviour: behaviour.__name__)
def test_a_service_that_does_not_finish_its_answer_is_transient_and_asked_once(
    service: ProgrammableService, client: Generic, behaviour: Behaviour
) -> None:
    service.will(behaviour)
    with within(2):
        failure(client)
    assert len(service.requests) == 1


def test_a_service_that_is_not_there_is_transient(
    service: ProgrammableService, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("AUTH_SERVICE_URL", f"http://127.0.0.1:{unused_port}")
    with within(4):
        failure(Generic(ServiceClient(Service.AUTH)))


def test_a_service_whose_name_does_not_resolve_is_transient(
    service: ProgrammableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_SERVICE_URL", "http://auth.invalid")
    failure(Generic(ServiceClient(Service.AUTH)))


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_is_busy_is_asked_again_at_once(
    service: ProgrammableService, client: Generic, status: int
) -> None:
    service.will(answer(status), answer(201, KNOWN))
    with within(1):
        assert client.put(TENANT_ID, {}) == REGISTERED


def test_a_service_that_is_gone_permanently_is_asked_three_times(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(503))
    failure(client)
    assert len(service.requests) == 3


def test_every_try_carries_the_same_idempotency_key(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(503))
    failure(client)
    assert {request.headers["Idempotency-Key"] for request in service.requests} == {KEY}


def test_retry_after_is_honoured(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(503, headers={"Retry-After": "1"}), answer(201, KNOWN))
    started = time.monotonic()
    client.put(TENANT_ID, {})
    assert time.monotonic() - started >= 1


def test_retry_after_is_not_honoured_beyond_the_limit(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(429, headers={"Retry-After": "3600"}), answer(201, KNOWN))
    with within(4):
        client.put(TENANT_ID, {})


@pytest.mark.parametrize("retry_after", ["soon", "-1", "1e9", ""])
def test_a_retry_after_that_says_nothing_is_transient(
    service: ProgrammableService, client: Generic, retry_after: str
) -> None:
    service.will(answer(503, headers={"Retry-After": retry_after}))
    with within(4):
        failure(client)


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_an_answer_that_is_not_of_the_contract_is_transient(
    service: ProgrammableService, client: Generic, body: object
) -> None:
    service.will(answer(200, body))
    assert str(failure(client)) == "auth answered something its contract does not know"


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
def test_a_field_that_is_not_of_the_contract_is_transient_and_named(
    service: ProgrammableService, client: Generic, body: object
) -> None:
    service.will(answer(200, body))
    assert str(failure(client)) == "auth answered no usable endpoint: it must be 1 to 512 printable characters"


def test_an_answer_nested_without_end_is_transient(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(200, b"[" * (LARGEST_ANSWER_BYTES - 1)))
    failure(client)


def test_an_answer_without_an_endpoint_is_transient(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(200, KNOWN | {"endpoint": ""}))
    failure(client)


@pytest.mark.parametrize("body", [TOO_LARGE, b" " * 10 * 1024 * 1024], ids=["a byte too many", "10 MiB"])
def test_an_answer_that_is_too_large_is_transient(service: ProgrammableService, client: Generic, body: object) -> None:
    service.will(answer(200, body))
    with within(4):
        failure(client)


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_without_end_is_left_early(service: ProgrammableService, client: Generic, status: int) -> None:
    service.will(endless(status))
    with within(4), pytest.raises((ServiceRegistrationFailed, ServiceRejectedRegistration)):
        client.put(TENANT_ID, {})


def test_a_refusal_without_end_is_left_early(service: ProgrammableService, client: Generic) -> None:
    service.will(endless(503, seconds=0.6), endless(503, seconds=0.6), answer(201, KNOWN))
    with within(1):
        client.put(TENANT_ID, {})


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_drips_is_left_early(service: ProgrammableService, client: Generic) -> None:
    service.will(drip(seconds=1.2))
    with within(3 * PATIENCE_SECONDS):
        failure(client)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "behaviour", [hang, reset, cut_off, answer(401, {"error": TOKEN}), answer(500, {"error": TOKEN})]
)
def test_a_failure_never_holds_the_token(service: ProgrammableService, client: Generic, behaviour: Behaviour) -> None:
    service.will(behaviour)
    with pytest.raises((ServiceRegistrationFailed, ServiceRejectedRegistration)) as failed:
        client.put(TENANT_ID, {})
    assert TOKEN not in "".join(traceback.format_exception(failed.value))
    assert TOKEN not in repr(failed.value.__context__)


def test_a_service_is_asked_again_after_it_has_failed(service: ProgrammableService, client: Generic) -> None:
    service.will(reset)
    failure(client)
    service.will(answer(201, KNOWN))
    assert client.put(TENANT_ID, {}) == REGISTERED


def client_until(seconds: float) -> Generic:
    return Generic(ServiceClient(Service.AUTH, time.monotonic() + seconds))


def test_no_request_lasts_beyond_the_deadline(service: ProgrammableService) -> None:
    service.will(hang)
    with within(2):
        assert "did not answer" in str(failure(client_until(PATIENCE_SECONDS)))


def test_no_request_begins_after_the_deadline(service: ProgrammableService) -> None:
    service.will(answer(201, KNOWN))
    assert "no time is left" in str(failure(client_until(0)))
    assert service.requests == []


def test_a_busy_service_is_not_waited_for_beyond_the_deadline(service: ProgrammableService) -> None:
    service.will(answer(503, headers={"Retry-After": "1"}))
    with within(0.9):
        failure(client_until(PATIENCE_SECONDS))
    assert len(service.requests) == 1


def test_a_request_may_take_longer_where_it_says_so(service: ProgrammableService, impatient: None) -> None:
    service.will(drip(seconds=2 * PATIENCE_SECONDS))
    client = ServiceClient(Service.AUTH)
    started = time.monotonic()
    with pytest.raises(ServiceRegistrationFailed):
        client.request("PUT", f"/tenants/{TENANT_ID}", lambda _: {}, seconds=4 * PATIENCE_SECONDS)
    assert time.monotonic() - started > PATIENCE_SECONDS
