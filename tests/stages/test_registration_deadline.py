"""However slow a service is, a stage ends before Lambda ends it, with a typed error in the ledger."""

import time
from dataclasses import dataclass

import pytest

from local.stack import Stack
from provisioning.errors import ServiceRegistrationFailed
from stages.services import deregister_services, register_realtime
from tests.executions.looking import look
from tests.executions.running import SERVICES
from tests.provisioning.programmable_service import (
    Behaviour,
    ProgrammableService,
    answer,
    continue_forever,
    drip_headers,
    hang,
)
from tests.stages.jobs import REGISTER, StagedJob
from tests.stages.registering import job, programmable

__all__ = ["job", "programmable"]

SECONDS = 1.0
ONE_ANSWER_SECONDS = 8.0
"""The time limit of one request."""


@dataclass(frozen=True)
class ShortContext:
    """An invocation that has a second."""

    def get_remaining_time_in_millis(self) -> int:
        return int(SECONDS * 1000)


@pytest.fixture
def slow(programmable: ProgrammableService, monkeypatch: pytest.MonkeyPatch) -> ProgrammableService:
    """Every service as a slow one; realtime as Supabase's, which gets several requests per stage."""
    monkeypatch.setenv("REALTIME_SERVICE_ADAPTER", "supabase-realtime")
    return programmable


def test_a_registration_of_several_requests_ends_in_time_with_its_error_recorded(
    stack: Stack, job: StagedJob, slow: ProgrammableService
) -> None:
    slow.will(answer(200, {}), hang)
    started = time.monotonic()
    with pytest.raises(ServiceRegistrationFailed):
        register_realtime({"job_id": job.job_id}, ShortContext())
    assert time.monotonic() - started < ONE_ANSWER_SECONDS
    assert [request.method for request in slow.requests] == ["PUT", "GET"]
    steps = {step["stage"]: step for step in look(stack, job.project_id).steps[job.job_id]}
    step = steps["registering_realtime"]
    assert (step["status"], step["error_type"]) == ("failed", "SERVICE_REGISTRATION_FAILED")


def test_a_removal_ends_in_time_although_no_service_answers(job: StagedJob, slow: ProgrammableService) -> None:
    slow.will(hang)
    with pytest.raises(ServiceRegistrationFailed):
        register_realtime({"job_id": job.job_id}, ShortContext())
    started = time.monotonic()
    with pytest.raises(ServiceRegistrationFailed):
        deregister_services({"job_type": job.job_type, "job_id": job.job_id, "failure": {}}, ShortContext())
    assert time.monotonic() - started < ONE_ANSWER_SECONDS


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("behaviour", [hang, drip_headers, continue_forever])
def test_one_slow_service_of_four_uses_up_no_others_time(
    stack: Stack, job: StagedJob, monkeypatch: pytest.MonkeyPatch, service: str, behaviour: Behaviour
) -> None:
    for register in REGISTER.values():
        job.run(register)
    with ProgrammableService() as slow:
        slow.will(behaviour)
        monkeypatch.setenv(f"{service.upper()}_SERVICE_URL", slow.url)
        started = time.monotonic()
        with pytest.raises(ServiceRegistrationFailed, match=f"{service} did not answer"):
            deregister_services({"job_type": job.job_type, "job_id": job.job_id, "failure": {}}, ShortContext())
        assert time.monotonic() - started < ONE_ANSWER_SECONDS
    assert list(look(stack, job.project_id).registrations) == [service]
