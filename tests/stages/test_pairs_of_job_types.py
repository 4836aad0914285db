"""One project, two jobs of any two types: what the control plane answers to the second, by the state of the first."""

import pytest

from local.stack import Stack
from provisioning.errors import ProjectNotEligible
from provisioning.jobs.declaration import JobType, ProjectStatus
from provisioning.jobs.registry import DECLARATIONS
from tests.executions.looking import look
from tests.job_pairs import OPENED, PAIRS, refusal, status_after
from tests.stages.declared_jobs import STANDS, Stand, a_job_of, bring, reach, roll_back, status_of
from tests.stages.jobs import StagedJob

pytestmark = pytest.mark.slow


def begun(stack: Stack, project_id: str, job_type: str, opened_in: str, stand: Stand) -> StagedJob:
    """A job of a type, opened in a status of its project, in this state."""
    reach(stack, project_id, ProjectStatus(opened_in))
    job = a_job_of(DECLARATIONS[JobType(job_type)], project_id)
    bring(job, stand)
    return job


@pytest.mark.parametrize("stand", STANDS)
@pytest.mark.parametrize(("first", "opened_in", "second"), PAIRS)
def test_a_job_after_another_is_admitted_or_refused_as_the_table_says(
    stack: Stack, project_id: str, first: str, opened_in: str, second: str, stand: Stand
) -> None:
    begun(stack, project_id, first, opened_in, stand)
    assert status_of(stack, project_id) == status_after(first, opened_in, stand)
    before = look(stack, project_id)
    following = a_job_of(DECLARATIONS[JobType(second)], project_id)
    if (refused := refusal(first, opened_in, stand, second)) is None:
        found = status_of(stack, project_id)
        following.verify()
        assert status_of(stack, project_id) == (DECLARATIONS[JobType(second)].while_running or found)
    else:
        with pytest.raises(refused):
            following.verify()
        assert look(stack, project_id) == before


@pytest.mark.parametrize(("first", "opened_in", "second"), PAIRS)
def test_a_job_with_an_incomplete_rollback_is_retried_by_its_own_type_only(
    stack: Stack, project_id: str, first: str, opened_in: str, second: str
) -> None:
    failed = begun(stack, project_id, first, opened_in, "rollback_incomplete")
    retry = a_job_of(DECLARATIONS[JobType(second)], project_id, retries=failed.job_id)
    if first == second:
        found = status_of(stack, project_id)
        retry.verify()
        assert status_of(stack, project_id) == (DECLARATIONS[JobType(second)].while_running or found)
    else:
        said = f"the rollback of the job {failed.job_id} of the project {project_id} is incomplete"
        with pytest.raises(ProjectNotEligible, match=f"^{said}$"):
            retry.verify()
        ending = retry.record_failure({"initializing": {"Error": "ProjectNotEligible", "Cause": "{}"}})
        assert f"provision retry {failed.job_id}" in ending["cause"]


@pytest.mark.parametrize(("job_type", "opened_in"), OPENED)
def test_a_retry_that_is_rolled_back_leaves_the_status_before_the_first_attempt(
    stack: Stack, project_id: str, job_type: str, opened_in: str
) -> None:
    failed = begun(stack, project_id, job_type, opened_in, "rollback_incomplete")
    bring(a_job_of(DECLARATIONS[JobType(job_type)], project_id, retries=failed.job_id), "rolled_back")
    assert status_of(stack, project_id) == status_after(job_type, opened_in, "rolled_back")


@pytest.mark.parametrize(("job_type", "opened_in"), OPENED)
def test_an_incomplete_rollback_that_is_completed_admits_other_jobs_again(
    stack: Stack, project_id: str, job_type: str, opened_in: str
) -> None:
    failed = begun(stack, project_id, job_type, opened_in, "rollback_incomplete")
    roll_back(failed)
    assert status_of(stack, project_id) == status_after(job_type, opened_in, "rolled_back")
