"""Protected projects: no job opens that may remove their tenant."""

import uuid
from collections.abc import Iterator

import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.errors import JobInProgress, ProjectProtected
from provisioning.jobs import registry
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.ledger.runner import Output
from stages.project import verify
from tests.api.asking import Answer, ask, get, post
from tests.executions.running import execute, payload_for, run

REMOVING = SUSPEND_PROJECT._replace(removes_tenant=True)
"""A job type that may remove a tenant: none of today's does."""


def protect(project_id: str) -> Answer:
    return ask("PUT", f"/v1/projects/{project_id}/protection")


def unprotect(project_id: str) -> Answer:
    return ask("DELETE", f"/v1/projects/{project_id}/protection")


def is_protected(project_id: str) -> bool:
    """What both GET project and the list say."""
    (listed,) = (
        one["is_protected"] for one in get("/v1/projects?limit=200")["projects"] if one["project_id"] == project_id
    )
    assert get(f"/v1/projects/{project_id}")["is_protected"] == listed
    return bool(listed)


def remove(project_id: str, job_id: str | None = None, **fields: object) -> Output:
    """Open a job that may remove the project's tenant, as the state machine of its type would."""
    return verify(REMOVING, job_id or f"job-{uuid.uuid4().hex[:12]}", "arn", {"project_id": project_id, **fields})


def close(job_id: str, status: str) -> None:
    """Record the end of a job whose type has no state machine."""
    with control_plane.connect().connection.cursor() as cursor:
        cursor.execute("UPDATE control_plane.jobs SET status = %s WHERE job_id = %s", (status, job_id))


@pytest.fixture
def project(stack: Stack, project_id: str) -> Iterator[str]:
    """A project with a tenant; what a test leaves running in its ledger has ended afterwards."""
    run(stack, payload_for(project_id))
    yield project_id
    left = f"UPDATE control_plane.jobs SET status = 'failed' WHERE project_id = '{project_id}' AND status = 'running'"
    execute(stack, left, "control_plane")


def test_a_project_is_protected_until_its_protection_is_ended(project_id: str) -> None:
    assert not is_protected(project_id)
    for _ in range(2):
        answer = protect(project_id)
        assert (answer.status, answer.body) == (200, {"project_id": project_id, "is_protected": True})
        assert is_protected(project_id)
    for _ in range(2):
        answer = unprotect(project_id)
        assert (answer.status, answer.body) == (200, {"project_id": project_id, "is_protected": False})
        assert not is_protected(project_id)


@pytest.mark.usefixtures("stack")
def test_an_unknown_project_cannot_be_protected() -> None:
    for answer in (protect("nobody"), unprotect("nobody")):
        assert (answer.status, answer.body["type"]) == (404, "ProjectNotFound")


def test_a_job_that_removes_a_tenant_does_not_open_for_a_protected_project(project: str) -> None:
    protect(project)
    with pytest.raises(ProjectProtected, match=f"^the project {project} is protected"):
        remove(project)
    assert get(f"/v1/projects/{project}")["status"] == "active"
    unprotect(project)
    assert remove(project)["project_id"] == project


def test_a_request_for_such_a_job_is_refused_at_once(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DECLARATIONS, REMOVING.job_type, REMOVING)
    protect(project)
    answer = post(f"/v1/projects/{project}/jobs/{REMOVING.job_type}", {})
    assert (answer.status, answer.body["type"]) == (409, "ProjectProtected")
    assert [job["job_type"] for job in get(f"/v1/jobs?project_id={project}")["jobs"]] == ["provision_project"]


@pytest.mark.slow
def test_other_jobs_open_for_a_protected_project(project: str) -> None:
    protect(project)
    for declared in (SUSPEND_PROJECT, RESUME_PROJECT):
        job_id = post(f"/v1/projects/{project}/jobs/{declared.job_type}", {}).body["job_id"]
        assert get(f"/v1/jobs/{job_id}?wait=25")["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("status", "error"),
    [("running", "JobInProgress"), ("stopped", "JobNotEligible"), ("rollback_incomplete", "JobNotEligible")],
)
def test_a_removal_that_has_begun_is_in_the_way_of_a_protection(project: str, status: str, error: str) -> None:
    job_id = str(remove(project)["job_id"])
    close(job_id, status)
    answer = protect(project)
    assert (answer.status, answer.body["type"], answer.body["job_id"]) == (409, error, job_id)
    assert not is_protected(project)


@pytest.mark.slow
@pytest.mark.parametrize("status", ["rolled_back", "succeeded", "failed"])
def test_a_removal_that_has_ended_is_in_nobodys_way(project: str, status: str) -> None:
    close(str(remove(project)["job_id"]), status)
    assert protect(project).status == 200


@pytest.mark.slow
def test_a_protected_project_is_not_removed_by_a_retry_either(project: str) -> None:
    job_id = str(remove(project)["job_id"])
    close(job_id, "rolled_back")
    protect(project)
    close(job_id, "rollback_incomplete")
    with pytest.raises(ProjectProtected):
        remove(project, retries=job_id)


def test_a_running_job_is_named_before_the_protection(project: str) -> None:
    protect(project)
    verify(SUSPEND_PROJECT, f"job-{uuid.uuid4().hex[:12]}", "arn", {"project_id": project})
    with pytest.raises(JobInProgress):
        remove(project)


def test_the_audit_log_says_who_has_protected_a_project_and_ended_that_once(project_id: str) -> None:
    for change in (protect, protect, unprotect, unprotect):
        change(project_id)
    with control_plane.connect().connection.cursor() as cursor:
        cursor.execute(
            "SELECT action, details ->> 'by' FROM control_plane.audit_log WHERE project_id = %s ORDER BY id",
            (project_id,),
        )
        said = [("project protected", "123456789012/AROATEST"), ("project unprotected", "123456789012/AROATEST")]
        assert cursor.fetchall() == said
