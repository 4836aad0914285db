"""A process that dies at any statement or AWS call of a request leaves a request that can be repeated."""

from collections.abc import Callable

import pytest

from local.stack import Stack
from provisioning.requests import starting
from tests.conftest import NewProject
from tests.executions.running import payload_for
from tests.requests.dying import die_at, operations_of
from tests.requests.sending import PROVISION, creation, jobs_of, new_id, request, requests_of, wait

pytestmark = pytest.mark.slow
CREATION, START = "creation of a project", "start of a job"
CALLS: dict[str, Callable[..., object]] = {CREATION: starting.create_project, START: starting.start_job}
FEWEST = 4
"""The secret, the connection's settings, the row, its commit, and the start; the first two may be one."""


def arguments(call: str, project_id: str) -> tuple[object, ...]:
    asked = request()
    return (asked, creation(project_id)) if call == CREATION else (asked, PROVISION, payload_for(project_id))


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("call", CALLS)
def test_after_a_death_at_any_operation_the_repeated_request_ends_with_one_job(
    stack: Stack, new_project: NewProject, call: str, *, after: bool
) -> None:
    def project() -> str:
        return new_id() if call == CREATION else new_project()

    operations = operations_of(CALLS[call], *arguments(call, project()))
    assert operations >= FEWEST
    problems = {}
    for number in range(1, operations + 1):
        project_id = project()
        given = arguments(call, project_id)
        die_at(number, CALLS[call], *given, after=after)
        job_id = getattr(CALLS[call](*given), "job_id", "")
        ended = wait(stack, job_id)
        jobs, requests = jobs_of(stack, project_id), requests_of(stack, project_id)
        if (ended, [job[0] for job in jobs], len(requests)) != ("SUCCEEDED", [job_id], 1):
            problems[number] = (ended, jobs, requests)
    assert problems == {}
