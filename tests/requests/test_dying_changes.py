"""A process that dies while it stops a job, rolls it back or retries it leaves a request that can be repeated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from local.stack import Stack
from provisioning import control_plane, endings
from provisioning.requests import changing
from tests.conftest import NewProject
from tests.executions.running import eventually, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.waiting import waiting
from tests.requests.dying import die_at, operations_of
from tests.requests.sending import jobs_of, request, requests_of, wait

pytestmark = pytest.mark.slow
Job = Callable[[Stack, str], object]


@contextmanager
def rolled_back(stack: Stack, project_id: str) -> Iterator[str]:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        job_id = run(stack, payload_for(project_id)).job_id
    yield job_id


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_after_a_death_the_repeated_stop_ends_with_one_rollback(
    stack: Stack, new_project: NewProject, *, after: bool
) -> None:
    with waiting(stack, new_project()) as job_id:
        operations = operations_of(changing.stop_job, job_id, request())
    problems = {}
    for number in range(1, operations + 1):
        project_id, asked = new_project(), request()
        with waiting(stack, project_id) as job_id:
            die_at(number, changing.stop_job, job_id, asked, after=after)
            rollback = changing.stop_job(job_id, asked).rollback
            wait(stack, str(rollback))
        outcome = endings.find(control_plane.connect(), job_id).outcome
        asked_for = [execution for _, _, execution in requests_of(stack, project_id)]
        if (outcome, asked_for, len(jobs_of(stack, project_id))) != ("rolled_back", [rollback], 1):
            problems[number] = (outcome, asked_for)
    assert operations > 5
    assert problems == {}


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_after_a_death_the_repeated_retry_ends_with_one_job(
    stack: Stack, new_project: NewProject, *, after: bool
) -> None:
    with rolled_back(stack, project_id := new_project()) as job_id:
        operations = operations_of(changing.retry_job, job_id, request())
    assert eventually(lambda: len(jobs_of(stack, project_id)) == 2)
    problems = {}
    for number in range(1, operations + 1):
        project_id, asked = new_project(), request()
        with rolled_back(stack, project_id) as job_id:
            die_at(number, changing.retry_job, job_id, asked, after=after)
            retried = changing.retry_job(job_id, asked).job_id
        ended, jobs = wait(stack, retried), [job[0] for job in jobs_of(stack, project_id)]
        if (ended, jobs) != ("SUCCEEDED", [job_id, retried]):
            problems[number] = (ended, jobs)
    assert operations > 5
    assert problems == {}
