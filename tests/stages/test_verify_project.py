"""Verify project decides who may be provisioned, and where. It opens the job with its tenant, and makes nothing."""

import json
import random
import string
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2.errors import UniqueViolation

from local.stack import Stack
from provisioning.errors import (
    ClusterFull,
    InvalidPayload,
    JobClosed,
    JobInProgress,
    ProjectNotEligible,
    ProjectNotFound,
    ProvisioningError,
    RegionNotAvailable,
)
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.stage import Stage
from stages.database import create_database
from tests.conftest import ORGANIZATION, NewProject
from tests.executions.looking import look
from tests.executions.running import payload_for
from tests.other_server import chosen_version
from tests.stages.jobs import StagedJob, a_job, at_once, execute, open_job

VERSION = chosen_version()
ANOTHER_VERSION = "16" if VERSION == "17" else "17"
OFFERED = {"engine": "postgresql", "version": VERSION, "size": "db.t3.micro"}
FORGET_REGION = """
    UPDATE control_plane.jobs SET cluster_id = 'local' WHERE starts_with(cluster_id, %s);
    UPDATE control_plane.tenants SET cluster_id = 'local' WHERE starts_with(cluster_id, %s);
    DELETE FROM control_plane.clusters WHERE region = %s;
"""
SET_STATUS = "UPDATE control_plane.projects SET status = %s WHERE project_id = %s"


def cluster(stack: Stack, region: str, name: str, capacity: int, **differing: str) -> str:
    """Add a cluster that is like the stack's own, except for the given fields."""
    execute(
        stack,
        "control_plane",
        "INSERT INTO control_plane.clusters SELECT %s, %s, %s, %s, %s, host, port, admin_secret_id, %s"
        " FROM control_plane.clusters WHERE cluster_id = 'local'",
        f"{region}-{name}",
        region,
        *(OFFERED | differing).values(),
        capacity,
    )
    return f"{region}-{name}"


@pytest.fixture
def region(stack: Stack) -> Iterator[str]:
    """A region without clusters before and after the test: all clusters are the same server."""
    name = f"xx-{''.join(random.choices(string.ascii_lowercase, k=9))}-1"  # noqa: S311 (a name)
    yield name
    execute(stack, "control_plane", FORGET_REGION, *[name] * 3)


def picked(stack: Stack, job: StagedJob) -> Any:
    ((cluster_id,),) = execute(
        stack, "control_plane", "SELECT cluster_id FROM control_plane.jobs WHERE job_id = %s", job.job_id
    )
    return cluster_id


def test_the_job_is_opened_and_the_project_is_being_provisioned(stack: Stack, project_id: str) -> None:
    job = a_job(project_id, "auth")
    answer = job.verify()
    world = look(stack, project_id)
    assert answer == {"job_id": job.job_id, "project_id": project_id, "tenant_id": world.tenant["tenant_id"]}
    assert world.project is not None
    assert (world.project["status"], world.project["job_id"]) == ("provisioning", job.job_id)
    (row,) = world.jobs
    assert (row["status"], row["attempts"], row["max_attempts"], row["progress_percent"]) == ("running", 1, 3, 11)
    assert (row["execution_arn"], row["current_stage"]) == (f"arn:{job.job_id}", "initializing")
    unwanted = ("registering_realtime", "registering_storage", "registering_pooler")
    statuses = {stage: "skipped" if stage in unwanted else "pending" for stage in PROVISION_PROJECT.states}
    statuses[Stage.INITIALIZING] = "succeeded"
    assert {step["stage"]: step["status"] for step in world.steps[job.job_id]} == statuses


def test_a_project_that_failed_before_is_eligible(stack: Stack, project_id: str) -> None:
    execute(stack, "control_plane", SET_STATUS, "failed", project_id)
    assert open_job(project_id).job_id == look(stack, project_id).jobs[0]["job_id"]


@pytest.mark.parametrize(("status", "error"), [("active", ProjectNotEligible), ("provisioning", ProjectNotEligible)])
def test_a_project_in_another_state_is_not_eligible_and_nothing_is_touched(
    stack: Stack, project_id: str, status: str, error: type[ProvisioningError]
) -> None:
    execute(stack, "control_plane", SET_STATUS, status, project_id)
    before = look(stack, project_id)
    with pytest.raises(error, match=project_id):
        a_job(project_id).verify()
    assert look(stack, project_id) == before


def test_a_second_execution_is_refused_while_a_job_runs_and_changes_nothing(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    before = look(stack, job.project_id)
    with pytest.raises(JobInProgress, match=job.job_id):
        a_job(job.project_id).verify()
    assert look(stack, job.project_id) == before


def test_a_project_of_another_organization_is_as_unknown_as_one_that_does_not_exist(project_id: str) -> None:
    for payload in (a_job(project_id, organization_id="org-other"), a_job("p-nowhere")):
        with pytest.raises(ProjectNotFound) as refusal:
            payload.verify()
        assert str(refusal.value) == f"there is no project {payload.project_id} of this organization and owner"


def test_the_organization_that_the_project_belongs_to_is_accepted(project_id: str) -> None:
    assert open_job(project_id, organization_id=ORGANIZATION).project_id == project_id


def test_a_payload_that_breaks_a_rule_is_refused_before_anything_is_asked(stack: Stack, project_id: str) -> None:
    before = look(stack, project_id)
    with pytest.raises(InvalidPayload, match=r"api_keys\.count: must be at most 10"):
        open_job(project_id, api_keys={"count": 11})
    assert look(stack, project_id) == before


def test_a_region_that_is_not_the_projects_is_refused_without_naming_either(
    stack: Stack, project_id: str, region: str
) -> None:
    cluster(stack, region, "free", 10)
    before = look(stack, project_id)
    with pytest.raises(InvalidPayload, match=r"^region: must be the project's$"):
        open_job(project_id, region=region)
    assert look(stack, project_id) == before


def test_the_same_execution_delivered_twice_is_one_job(stack: Stack, project_id: str) -> None:
    job = a_job(project_id, "auth")
    first, before = job.verify(), look(stack, project_id)
    assert job.verify() == first
    assert look(stack, project_id) == before


def test_the_same_execution_delivered_several_times_at_once_is_one_job(stack: Stack, project_id: str) -> None:
    job = a_job(project_id, "auth")
    answers = at_once(*[job.verify] * 4)
    assert answers == [answers[0]] * 4
    assert not isinstance(answers[0], Exception)
    assert len(look(stack, project_id).jobs) == 1


def test_of_several_executions_at_once_one_opens_its_job(stack: Stack, project_id: str) -> None:
    answers = at_once(*(a_job(project_id).verify for _ in range(4)))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert [type(error) for error in errors] == [JobInProgress] * 3
    assert len(look(stack, project_id).jobs) == 1


def test_a_delivery_after_the_job_was_rolled_back_opens_nothing(stack: Stack, job: StagedJob) -> None:
    job.roll_back()
    before = look(stack, job.project_id)
    with pytest.raises(JobClosed, match="rolled_back"):
        job.verify()
    assert look(stack, job.project_id) == before


def test_an_execution_name_that_another_project_has_used_is_refused(new_project: NewProject, job: StagedJob) -> None:
    with pytest.raises(JobClosed):
        StagedJob(job.job_id, payload_for(new_project())).verify()


@pytest.mark.parametrize("differing", [{"version": ANOTHER_VERSION}, {"size": "db.r6g.large"}, {"engine": "mysql"}])
def test_a_cluster_that_differs_in_anything_is_not_picked(
    stack: Stack, new_project: NewProject, region: str, differing: dict[str, str]
) -> None:
    project_id = new_project(region)
    cluster(stack, region, "other", 10, **differing)
    before = look(stack, project_id)
    with pytest.raises(RegionNotAvailable) as refused:
        open_job(project_id, region=region)
    wanted = f"postgresql {VERSION} as db.t3.micro"
    there = "{engine} {version} as {size}".format(**OFFERED | differing)
    said = f"no cluster in {region} offers {wanted}: there is {there} in {region}; {wanted} in "
    assert str(refused.value).startswith(said)
    assert "in us-east-1" in str(refused.value)
    assert look(stack, project_id) == before


def test_the_cluster_that_matches_is_picked(stack: Stack, new_project: NewProject, region: str) -> None:
    cluster(stack, region, "a", 1000, version=ANOTHER_VERSION)
    cluster(stack, region, "b", 1000)
    wanted = cluster(stack, region, "c", 1, version=ANOTHER_VERSION, size="db.r6g.large")
    database = {"engine": "postgresql", "version": ANOTHER_VERSION, "size": "db.r6g.large", "storage_gb": 5}
    assert picked(stack, open_job(new_project(region), region=region, database=database)) == wanted


def test_the_cluster_with_the_most_room_is_picked(stack: Stack, new_project: NewProject, region: str) -> None:
    smaller, larger = cluster(stack, region, "a", 1), cluster(stack, region, "b", 3)
    jobs = [open_job(new_project(region), region=region) for _ in range(4)]
    assert [picked(stack, job) for job in jobs[:2]] == [larger, larger]
    assert sorted(picked(stack, job) for job in jobs) == [smaller, larger, larger, larger]


def test_of_several_jobs_for_the_last_place_one_gets_it(stack: Stack, new_project: NewProject, region: str) -> None:
    cluster(stack, region, "only", 1)
    answers = at_once(*(a_job(new_project(region), region=region).verify for _ in range(4)))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert [type(error) for error in errors] == [ClusterFull] * 3


def test_a_job_that_was_rolled_back_gives_its_place_back(stack: Stack, new_project: NewProject, region: str) -> None:
    cluster(stack, region, "only", 1)
    first = open_job(new_project(region), region=region)
    first.run(create_database)
    with pytest.raises(ClusterFull, match="is full"):
        open_job(new_project(region), region=region)
    first.roll_back()
    open_job(new_project(region), region=region)


def test_the_control_plane_takes_one_running_job_per_key(stack: Stack, job: StagedJob, new_project: NewProject) -> None:
    """Two attempts that both saw no running job cannot both open one, and jobs of other projects are not held up."""
    again = """
        INSERT INTO control_plane.jobs (job_id, job_type, status, excludes)
        SELECT job_id || '-again', job_type, status, excludes FROM control_plane.jobs WHERE job_id = %s
    """
    with pytest.raises(UniqueViolation, match="jobs_one_running_per_key"):
        execute(stack, "control_plane", again, job.job_id)
    other = open_job(new_project())
    assert [row["status"] for row in look(stack, other.project_id).jobs] == ["running"]


@pytest.mark.parametrize("fields", [{"api_keys": {"count": 11}}, {"organization_id": "org-other"}])
def test_a_refusal_is_recorded_once_and_answered_as_often_as_it_is_delivered(
    project_id: str, fields: dict[str, Any]
) -> None:
    job = a_job(project_id, **fields)
    with pytest.raises(ProvisioningError) as refusal:
        job.verify()
    error = type(refusal.value).__name__
    failure = {"initializing": {"Error": error, "Cause": json.dumps({"errorMessage": str(refusal.value)})}}
    first = job.record_failure(failure)
    assert (first["outcome"], first["error"]) == ("failed", error)
    assert job.record_failure(failure) == first
