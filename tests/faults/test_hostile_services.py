"""The effect on whole jobs of a registration service that hangs, resets, refuses, redirects or sends nonsense."""

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from unittest.mock import patch

import pytest
import urllib3

from local.stack import Stack
from provisioning.services import client as service_client
from tests.executions.looking import look
from tests.executions.running import SERVICES, ended
from tests.faults.jobs import new_project, problems_of, roll_back, start_job
from tests.provisioning.programmable_service import (
    Behaviour,
    ProgrammableService,
    answer,
    continue_forever,
    cut_off,
    drip_headers,
    hang,
    reset,
)

pytestmark = pytest.mark.slow

TRANSIENT = {
    "hangs": hang,
    "drips headers": drip_headers,
    "continues without end": continue_forever,
    "resets": reset,
    "is cut off": cut_off,
    "answers 500": answer(500),
    "answers 429": answer(429, headers={"Retry-After": "0"}),
    "answers 200 with garbage": answer(200, b"\x00\xff garbage"),
    "answers 200 with 10 MB": answer(200, b" " * 10_000_000),
    "answers 200 with another shape": answer(200, {"id": 7}),
}
PERMANENT = {
    "redirects elsewhere": answer(307, headers={"Location": "http://169.254.169.254/latest/meta-data/"}),
    "answers 403": answer(403),
}


@pytest.fixture
def service(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgrammableService]:
    """The service that the functions use as the auth service."""
    monkeypatch.setattr(service_client, "FIRST_PAUSE_SECONDS", 0.0)
    with ProgrammableService() as programmable, patch.dict(os.environ, {"AUTH_SERVICE_URL": programmable.url}):
        yield programmable


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits a fraction of what the real one waits for a service that hangs."""
    monkeypatch.setattr(service_client, "READ_TIMEOUT_SECONDS", 0.6)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", TRANSIENT.values(), ids=TRANSIENT)
def test_a_job_outlives_a_service_that_misbehaves_at_first(
    stack: Stack, service: ProgrammableService, behaviour: Behaviour
) -> None:
    service.will(behaviour, behaviour, healthy(stack))
    project_id = new_project()
    execution = stack.wait(start_job(stack, project_id))
    assert execution["status"] == "SUCCEEDED"
    assert problems_of(stack, project_id, execution) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", (TRANSIENT | PERMANENT).values(), ids=TRANSIENT | PERMANENT)
def test_a_service_that_keeps_misbehaving_is_named_as_a_leftover_until_it_recovers(
    stack: Stack, service: ProgrammableService, behaviour: Behaviour
) -> None:
    service.will(behaviour)
    project_id = new_project()
    failed = ended(stack, start_job(stack, project_id))
    assert failed.status == "FAILED"
    (tenant,) = look(stack, project_id).tenants
    said = f" Not known whether anything is left: auth registration of {tenant['tenant_id']}. Next: "
    assert said in failed.cause
    service.will(healthy(stack))
    assert roll_back(stack, project_id).status == "rolled_back"
    assert problems_of(stack, project_id, {"status": "FAILED"}) == []


@pytest.mark.parametrize("behaviour", PERMANENT.values(), ids=PERMANENT)
def test_a_final_no_is_not_asked_for_again(stack: Stack, service: ProgrammableService, behaviour: Behaviour) -> None:
    service.will(behaviour, healthy(stack))
    project_id = new_project()
    failed = ended(stack, start_job(stack, project_id))
    assert (failed.error, failed.waits) == ("ServiceRejectedRegistration", [])
    assert problems_of(stack, project_id, {"status": "FAILED"}) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", [drip_headers, continue_forever])
def test_the_first_attempt_to_deregister_removes_the_other_registrations(
    stack: Stack, service: ProgrammableService, behaviour: Behaviour
) -> None:
    service.will(healthy(stack), behaviour)
    project_id = new_project()
    with stack.runtime.replaced("FinalizeFunction", fail):
        failed = ended(stack, start_job(stack, project_id))
    world, others = look(stack, project_id), {f"{one} registration" for one in SERVICES if one != "auth"}
    removed = [set(row["details"]["removed"]) for row in world.audited("compensated", failed.job_id)]
    assert others in removed, "all of them by one attempt"
    assert len(world.audited("compensation failed", failed.job_id)) == 3
    assert all(one in failed.cause for one in others)
    assert f" Still there: auth registration of {world.tenants[0]['tenant_id']}. Next: " in failed.cause


def fail(_event: object, _context: object) -> None:
    raise ValueError


def healthy(stack: Stack) -> Behaviour:
    """Pass requests on to the stack's own auth service."""
    pool, target = urllib3.PoolManager(), stack.services.url("auth")

    def behave(service: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
        request = service.requests[-1]
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        passed = pool.request(request.method, target + request.path, body=request.body, headers=headers)
        answer(passed.status, passed.data)(service, connection)

    return behave
