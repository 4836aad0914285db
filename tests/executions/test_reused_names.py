"""Executions under the name of another execution's job: they fail, and touch nothing.

Step Functions forgets names after 90 days, and keeps them unique only within a state machine:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

from typing import Any

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.jobs.declaration import ProjectStatus
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.conftest import NewProject
from tests.executions.running import SERVICES, ended, eventually, execute, payload_for, run
from tests.executions.test_rollbacks import LAST_COMMIT_LOST, forgotten, roll_back, stopped_before_finalize
from tests.executions.worlds import look
from tests.stages.declared_jobs import a_job_of, bring, reach

NONSENSE = {"project_id": "b a d"}
OPENED_LONG_AGO = sql.SQL("UPDATE control_plane.jobs SET started_at = now() - interval '91 days' WHERE job_id = {job}")
STILL_RUNNING = sql.SQL(
    "UPDATE control_plane.jobs SET status = 'running', completed_at = NULL, last_error_type = NULL,"
    " last_error_message = NULL WHERE job_id = {job}"
)
"""As if the event about the end of the job's execution had been lost."""

OTHERS = {"organization_id": "org-other", "owner_id": "someone-else"}


def test_another_projects_payload_does_not_get_the_result_of_a_job(stack: Stack, new_project: NewProject) -> None:
    project_id, fresh = new_project(), new_project()
    job = run(stack, payload_for(project_id, "auth"))
    before = look(stack, project_id), look(stack, fresh)
    with forgotten(job.job_id):
        ran = run(stack, payload_for(fresh, "auth"), job.job_id)
    assert (ran.status, ran.error, ran.output, ran.waits) == ("FAILED", "JobClosed", None, [])
    said = "initializing failed: the execution has the name of another job: start it under a new name."
    assert ran.cause == f"{said} Nothing was touched."
    assert (look(stack, project_id), look(stack, fresh)) == before


def test_nonsense_does_not_get_the_result_of_a_job(stack: Stack, project_id: str) -> None:
    job = run(stack, payload_for(project_id, "auth"))
    before = look(stack, project_id)
    with forgotten(job.job_id):
        ran = run(stack, NONSENSE, job.job_id)
    assert (ran.status, ran.error, ran.output) == ("FAILED", "InvalidPayload", None)
    assert ran.cause.endswith(". The execution has the name of another job. Nothing was touched.")
    assert look(stack, project_id) == before


@pytest.mark.parametrize("field", OTHERS)
def test_another_organization_or_owner_does_not_get_the_result_of_a_job(
    stack: Stack, project_id: str, field: str
) -> None:
    job = run(stack, payload_for(project_id, "auth"))
    before = look(stack, project_id)
    with forgotten(job.job_id):
        ran = run(stack, payload_for(project_id, "auth", **{field: OTHERS[field]}), job.job_id)
    assert (ran.status, ran.error, ran.output) == ("FAILED", "JobClosed", None)
    assert look(stack, project_id) == before


def test_the_payload_of_a_job_gets_its_result_again(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id, "auth")
    job = run(stack, payload)
    before = look(stack, project_id)
    with forgotten(job.job_id):
        ran = run(stack, payload, job.job_id)
    assert (ran.status, ran.output) == ("SUCCEEDED", job.output)
    assert look(stack, project_id) == before


@pytest.mark.parametrize("payload", [NONSENSE, None], ids=["nonsense", "another project's payload"])
def test_a_job_that_counts_as_running_is_not_closed_by_one_of_its_name(
    stack: Stack, new_project: NewProject, payload: Any
) -> None:
    project_id = new_project()
    job_id = stopped_before_finalize(stack, project_id)
    assert eventually(lambda: look(stack, project_id).jobs[0]["status"] == "stopped")
    for change in (STILL_RUNNING, OPENED_LONG_AGO):
        execute(stack, change.format(job=sql.Literal(job_id)), "control_plane")
    before = look(stack, project_id)
    assert before.jobs[0]["status"] == "running"
    with forgotten(job_id):
        ran = run(stack, payload or payload_for(new_project(), "auth"), job_id)
    assert (ran.status, ran.output) == ("FAILED", None)
    assert ran.cause.endswith("Nothing was touched.")
    assert look(stack, project_id) == before


def test_the_result_of_a_suspension_is_not_given_to_a_project_that_was_resumed(stack: Stack, project_id: str) -> None:
    reach(stack, project_id, ProjectStatus.ACTIVE)
    suspension = a_job_of(SUSPEND_PROJECT, project_id)
    bring(suspension, "succeeded")
    bring(a_job_of(RESUME_PROJECT, project_id), "succeeded")
    before = look(stack, project_id)
    ran = ended(stack, stack.start_execution(suspension.payload, suspension.job_id, suspension.job_type))
    assert (ran.status, ran.error, ran.output) == ("FAILED", "JobClosed", None)
    assert "the job has succeeded, and its project has changed since: start a new one" in ran.cause
    assert look(stack, project_id) == before


def test_a_later_execution_of_a_name_is_no_witness_against_a_live_tenant(stack: Stack, project_id: str) -> None:
    job_id = run(stack, payload_for(project_id, *SERVICES)).job_id
    for change in (LAST_COMMIT_LOST, OPENED_LONG_AGO):
        execute(stack, change.format(job=sql.Literal(job_id)), "control_plane")
    before = look(stack, project_id)
    with forgotten(job_id):
        assert run(stack, NONSENSE, job_id).status == "FAILED"
        ran = roll_back(stack, job_id)
    assert "Not known whether anything is left: the register does not give tenant" in ran.cause
    assert look(stack, project_id).given == before.given


def test_a_job_whose_name_was_used_again_can_still_be_rolled_back(stack: Stack, project_id: str) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    with forgotten(job_id):
        run(stack, NONSENSE, job_id)
        assert "Nothing is left" in roll_back(stack, job_id).cause
    assert look(stack, project_id).jobs[0]["status"] == "rolled_back"
