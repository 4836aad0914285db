"""An organization's limits decide, in the transaction that opens a job that adds a project, whether it opens."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.errors import ControlPlaneUnavailable, OrganizationQuotaExceeded
from provisioning.jobs import quotas
from provisioning.jobs.declaration import ProjectStatus
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.conftest import OWNER, REGION
from tests.executions.looking import look
from tests.stages.declared_jobs import a_job_of, bring, close, refuse_compensations
from tests.stages.jobs import COMPENSATIONS, StagedJob, a_job, at_once, execute, open_job

NewProject = Callable[[], str]
SIX_GB = {"database": {"storage_gb": 6}}


@pytest.fixture
def organization() -> str:
    """An organization that no other test uses."""
    return f"org-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def new_project(stack: Stack, organization: str) -> NewProject:
    """Make a project of the organization, and return its id."""
    del stack

    def make() -> str:
        project_id = f"p-{uuid.uuid4().hex[:12]}"
        control = control_plane.connect()
        control.record_project(control_plane.Project(project_id, organization, OWNER, REGION))
        return project_id

    return make


def limit(organization: str, **limits: int) -> None:
    quotas.limit(control_plane.connect(), organization, limits)


def usage(organization: str) -> dict[str, Any]:
    return dict(quotas.find_usage(control_plane.connect(), organization) or {})


@pytest.fixture
def retried(stack: Stack, new_project: NewProject) -> Iterator[StagedJob]:
    """A job whose rollback was incomplete, so that its project keeps its place."""
    del stack
    job = open_job(new_project())
    refuse_compensations(job)
    assert close(job) == "rollback_incomplete"
    yield job
    for handler in COMPENSATIONS:
        job.run(handler)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"projects": 1}, "its organization has 1 projects, and 1 more would exceed its limit of 1"),
        ({"jobs_an_hour": 1}, "its organization has 1 jobs in the last hour, and 1 more would exceed its limit of 1"),
        ({"storage_gb": 11}, "its organization has 6 GB of storage, and 6 more would exceed its limit of 11"),
    ],
)
def test_a_job_beyond_a_limit_is_refused_with_the_number_and_the_limit(
    stack: Stack, organization: str, new_project: NewProject, limits: dict[str, int], message: str
) -> None:
    limit(organization, **limits)
    open_job(new_project(), **SIX_GB)
    refused = a_job(new_project(), **SIX_GB)
    before = look(stack, refused.project_id)
    with pytest.raises(OrganizationQuotaExceeded, match=f"^{message}$"):
        refused.verify()
    assert look(stack, refused.project_id) == before


def test_of_several_jobs_for_the_last_free_place_exactly_one_opens(organization: str, new_project: NewProject) -> None:
    limit(organization, projects=3)
    for _ in range(2):
        open_job(new_project())
    answers = at_once(*(a_job(new_project()).verify for _ in range(8)))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert [type(error) for error in errors] == [OrganizationQuotaExceeded] * 7


def test_of_several_first_jobs_of_an_organization_all_open_within_the_limits(new_project: NewProject) -> None:
    """The row is made by one of them, and the others wait for it."""
    answers = at_once(*(a_job(new_project()).verify for _ in range(8)))
    assert [answer for answer in answers if isinstance(answer, Exception)] == []


def test_the_row_of_an_organization_is_made_with_the_defaults_on_its_first_job(
    stack: Stack, organization: str, new_project: NewProject
) -> None:
    known = "SELECT count(*) FROM control_plane.organizations WHERE organization_id = %s"
    job = a_job(new_project())
    assert execute(stack, "control_plane", known, organization) == [(0,)]
    job.verify()
    assert execute(stack, "control_plane", known, organization) == [(1,)]


def test_a_job_that_is_delivered_again_beyond_the_limit_gets_its_answer(
    organization: str, new_project: NewProject
) -> None:
    limit(organization, projects=1)
    job = open_job(new_project())
    assert job.verify()["tenant_id"] == job.tenant_id


def test_a_job_that_was_rolled_back_gives_its_place_back_but_counts_for_the_hour(
    organization: str, new_project: NewProject
) -> None:
    limit(organization, projects=1, jobs_an_hour=2)
    open_job(new_project()).roll_back()
    open_job(new_project()).roll_back()
    assert [usage(organization)[name][0] for name in quotas.NAMES] == [0, 2, 0]
    with pytest.raises(OrganizationQuotaExceeded, match="2 jobs in the last hour"):
        open_job(new_project())


def test_a_job_of_more_than_an_hour_ago_does_not_count(
    stack: Stack, organization: str, new_project: NewProject
) -> None:
    limit(organization, jobs_an_hour=1)
    job = open_job(new_project())
    earlier = "UPDATE control_plane.jobs SET created_at = created_at - interval '61 minutes' WHERE job_id = %s"
    execute(stack, "control_plane", earlier, job.job_id)
    open_job(new_project())


def test_a_retry_takes_the_place_of_the_job_that_it_replaces(organization: str, retried: StagedJob) -> None:
    limit(organization, projects=1, storage_gb=20)
    open_job(retried.project_id, retries=retried.job_id)
    assert [usage(organization)[name][0] for name in ("projects", "storage_gb")] == [1, 20]


def test_suspensions_resumptions_and_rollbacks_are_not_refused_beyond_the_limits(
    organization: str, new_project: NewProject
) -> None:
    job = a_job_of(PROVISION_PROJECT, new_project())
    bring(job, "succeeded")
    rolled_back = open_job(new_project())
    limit(organization, projects=0, jobs_an_hour=0, storage_gb=0)
    for declared in (SUSPEND_PROJECT, RESUME_PROJECT):
        bring(a_job_of(declared, job.project_id), "succeeded")
    assert rolled_back.roll_back()["outcome"] == "rolled_back"
    assert usage(organization)["jobs_an_hour"] == [2, 0]


@pytest.mark.parametrize("status", ProjectStatus)
def test_a_project_counts_in_every_status_in_which_no_job_would_add_it(
    stack: Stack, organization: str, new_project: NewProject, status: ProjectStatus
) -> None:
    change = "UPDATE control_plane.projects SET status = %s WHERE project_id = %s"
    execute(stack, "control_plane", change, str(status), new_project())
    adding = {one for declared in DECLARATIONS.values() if declared.adds for one in declared.opens_in}
    assert usage(organization)["projects"][0] == (status not in adding)


def test_the_question_without_a_job_names_the_limit_that_the_job_would_meet(
    organization: str, new_project: NewProject
) -> None:
    limit(organization, projects=1)
    project_id = new_project()
    control = control_plane.connect()
    assert quotas.find_excess(control, organization, project_id, 20) is None
    open_job(new_project())
    assert quotas.find_excess(control, organization, project_id, 20) == quotas.Excess("projects", 1, 1, 1)


def test_without_limits_nothing_opens() -> None:
    with pytest.raises(ControlPlaneUnavailable, match="gave no limits"):
        quotas.check(None, 20)


def test_an_organization_is_counted_apart_from_others(organization: str, new_project: NewProject) -> None:
    limit(organization, projects=1)
    open_job(new_project())
    assert usage(f"{organization}-2")["projects"][0] == 0
