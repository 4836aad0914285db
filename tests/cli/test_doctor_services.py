"""Doctor says what a service's answer means, and is not taken in by another server at the address."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli import doctor_services
from local.stack import Stack
from provisioning.services import client as service_client
from provisioning.stage import Service
from tests.cli.examining import wrong
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.native_apis import APIS, SERVES
from tests.stages.tenant_apis import native_service

FASTIFY = {"message": "Route GET:/tenants/x/migrations not found", "error": "Not Found", "statusCode": 404}
"""What Storage answers at its public port, which has no tenants."""

PHOENIX = "Not Found"
"""What Realtime and Supavisor answer where they have no route."""


@pytest.fixture(autouse=True)
def fresh(stack: Stack) -> None:
    service_client._environment.__dict__.clear()


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgrammableService]:
    """Any server, at the address of every service."""
    with ProgrammableService() as server:
        for service in Service:
            monkeypatch.setenv(f"{service.upper()}_SERVICE_URL", server.url)
        yield server


@pytest.mark.parametrize(
    ("status", "said", "remedy"),
    [
        (401, "answers 401: it refuses the token", doctor_services.REFUSED),
        (403, "answers 403: it refuses the token", doctor_services.REFUSED),
        (301, "answers 301, a redirect, which is not followed", doctor_services.OTHER_ADDRESS),
        (400, "answers 400 to a question about a tenant", doctor_services.OTHER_ADDRESS),
        (405, "answers 405 to a question about a tenant", doctor_services.OTHER_ADDRESS),
        (204, "answers 204 to a question about a tenant", doctor_services.OTHER_ADDRESS),
        (502, "answers 502", doctor_services.OWN_LOG),
    ],
)
def test_each_answer_has_its_meaning_and_its_remedy(
    other: ProgrammableService, status: int, said: str, remedy: str
) -> None:
    other.will(answer(status))
    (found,) = doctor_services.examine_service(Service.AUTH)
    assert (found.fact, found.remedy) == (said, remedy.format(service="auth"))


@pytest.mark.parametrize(
    ("service", "body"),
    [
        *(("storage", FASTIFY), ("realtime", PHOENIX), ("pooler", PHOENIX)),
        *((service, "<html>nothing here</html>") for service in SERVES),
        *(("auth", body) for body in (PHOENIX, FASTIFY, {"detail": "Not Found"}, {"error": "not found"})),
    ],
)
def test_a_404_of_another_server_is_no_unknown_tenant(
    other: ProgrammableService, monkeypatch: pytest.MonkeyPatch, service: str, body: Any
) -> None:
    monkeypatch.setenv(f"{service.upper()}_SERVICE_ADAPTER", SERVES.get(service, "generic"))
    other.will(answer(404, body))
    (found,) = doctor_services.examine_service(Service(service))
    assert (found.fact, found.remedy) == ("answers 404, but not as this service does", doctor_services.OTHER_ADDRESS)


@pytest.mark.parametrize("service", SERVES)
def test_a_service_of_its_kind_has_nothing_to_correct(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    with native_service(stack, monkeypatch, service, SERVES[service], APIS[SERVES[service]]):
        (found,) = doctor_services.examine_service(Service(service))
        assert (found.fact, found.remedy) == ("answers, and accepts its token", "")


def test_a_server_that_has_every_tenant_is_no_service_of_ours(other: ProgrammableService) -> None:
    other.will(answer(200, {"endpoint": "x", "registered_at": "2026-01-01T00:00:00Z"}))
    (found,) = doctor_services.examine_service(Service.AUTH)
    assert found.fact == "says that it has a tenant that does not exist"


def test_a_public_address_that_cannot_be_one_is_a_finding(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_SERVICE_PUBLIC_URL", "https://storage.example.com")
    assert wrong()["service storage"].fact.startswith("a public URL must be https://")
