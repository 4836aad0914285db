"""Executions of one type under the name of another type's job: names are unique only within a state machine."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import permutations

import pytest

from local.stack import Stack
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from tests.executions.running import ended, eventually
from tests.executions.worlds import look
from tests.stages.declared_jobs import STANDS, Stand, a_job_of, bring, reach
from tests.stages.jobs import StagedJob, execute

pytestmark = pytest.mark.slow

every_pair = pytest.mark.parametrize(("first", "second"), list(permutations(DECLARATIONS, 2)))
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'control_plane.jobs'"
every_stand = pytest.mark.parametrize("stand", STANDS)


def opened(stack: Stack, job_type: JobType, project_id: str, stand: Stand) -> StagedJob:
    """A job of a type in this state, for a project in the first status that the type opens in."""
    declared = DECLARATIONS[job_type]
    reach(stack, project_id, declared.opens_in[0])
    job = a_job_of(declared, project_id)
    bring(job, stand)
    return job


@every_stand
@every_pair
def test_a_job_is_not_touched_by_another_types_execution_of_its_name(
    stack: Stack, project_id: str, first: JobType, second: JobType, stand: Stand
) -> None:
    job = opened(stack, first, project_id, stand)
    before = look(stack, project_id)
    ran = ended(stack, stack.start_execution(a_job_of(DECLARATIONS[second], project_id).payload, job.job_id, second))
    assert (ran.status, ran.error, ran.output, ran.waits) == ("FAILED", "JobClosed", None, [])
    assert look(stack, project_id) == before


@every_stand
@every_pair
def test_a_job_is_not_rolled_back_by_the_state_machine_of_another_type(
    stack: Stack, project_id: str, first: JobType, second: JobType, stand: Stand
) -> None:
    job = opened(stack, first, project_id, stand)
    before = look(stack, project_id)
    ran = ended(stack, stack.start_execution({"rolls_back": job.job_id}, f"rollback-{job.job_id}", second))
    assert (ran.status, ran.error) == ("FAILED", "JobClosed")
    assert ran.cause == f"The job is of type {first}: its own state machine rolls it back. Nothing was touched."
    assert look(stack, project_id) == before


def test_a_job_that_opens_while_another_types_failure_is_recorded_stays_open(stack: Stack, project_id: str) -> None:
    job = a_job_of(PROVISION_PROJECT, project_id)
    opening = "INSERT INTO control_plane.jobs (job_id, job_type, status) VALUES (%s, 'suspend_project', 'running')"
    with closing(stack.postgres.connect("control_plane")) as other, ThreadPoolExecutor(1) as pool:
        other.autocommit = False
        with other.cursor() as cursor:
            cursor.execute(opening, (job.job_id,))
        recorded = pool.submit(job.record_failure, {"initializing": {"Error": "InvalidPayload", "Cause": "{}"}})
        assert eventually(lambda: execute(stack, "control_plane", WAITING) != [])
        other.commit()
        assert recorded.result()["error"] == "InvalidPayload"
    found = "SELECT job_type, status, last_error_type FROM control_plane.jobs WHERE job_id = %s"
    assert execute(stack, "control_plane", found, job.job_id) == [("suspend_project", "running", None)]
