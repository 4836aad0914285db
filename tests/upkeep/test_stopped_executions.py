"""A job whose execution ended without closing it is recorded as stopped, whenever its event arrives and how often."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning import control_plane, endings
from provisioning.errors import JobClosed, ProjectNotEligible, ProvisioningError
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from stages.activation import finalize
from stages.api_keys import generate_api_keys
from stages.database import create_database
from stages.schema import create_schema
from tests.executions.looking import Row, look
from tests.executions.worlds import problems_of_provisioned
from tests.stages.jobs import STOPPED, Context, StagedJob, a_job, execute, lambda_environment, open_job
from tests.upkeep.stopping import stop
from upkeep.reconcile import reconcile

CREATING = {"Error": "DatabaseCreationFailed", "Cause": '{"errorMessage": "no room"}'}


def row_of(stack: Stack, job: StagedJob) -> Row:
    (row,) = [row for row in look(stack, job.project_id).jobs if row["job_id"] == job.job_id]
    return row


def project_status(stack: Stack, job: StagedJob) -> str:
    project = look(stack, job.project_id).project
    assert project is not None
    return str(project["status"])


def text_of(job: StagedJob) -> str:
    return endings.find(control_plane.connect(), job.job_id).text


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("ABORTED", None, "its execution was stopped at creating_schema"),
        ("TIMED_OUT", "States.Timeout", "its execution ran out of time at creating_schema"),
        ("FAILED", "States.DataLimitExceeded", "its execution ended with States.DataLimitExceeded at creating_schema"),
        ("FAILED", "States.Runtime", "its execution ended with States.Runtime at creating_schema"),
    ],
)
def test_an_execution_that_ended_otherwise_stops_its_job_where_it_was(
    stack: Stack, job: StagedJob, status: str, error: str | None, said: str
) -> None:
    job.run_until(create_schema)
    assert stop(job, status, error=error) == [job.job_id]
    assert row_of(stack, job)["status"] == "stopped"
    assert text_of(job).startswith(f"stopped: {said}. Nothing was rolled back. Still there: ")
    assert text_of(job).endswith(f" Next: provision rollback {job.job_id}.")
    assert project_status(stack, job) == "provisioning"


def test_who_stopped_it_and_why_is_kept_without_secrets(job: StagedJob) -> None:
    stop(job, error="StoppedInConsole", cause="by ann,\npassword=hunter2")
    assert ": its execution was stopped (StoppedInConsole: by ann, password=[redacted]) at " in text_of(job)


def test_what_had_failed_before_a_stop_is_still_said(job: StagedJob) -> None:
    with pytest.raises(ProvisioningError):
        job.run(create_schema)
    stop(job)
    assert " at creating_schema, which had failed on attempt 1: " in text_of(job)


def test_an_event_that_comes_twice_changes_nothing_the_second_time(stack: Stack, job: StagedJob) -> None:
    job.run_until(create_database)
    stop(job)
    before = look(stack, job.project_id)
    assert stop(job) == []
    assert look(stack, job.project_id) == before


def test_of_many_concurrent_events_one_stops_the_job(stack: Stack, job: StagedJob) -> None:
    def deliver(_: int) -> list[str]:
        return stop(job)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(deliver, range(8)))
    assert sorted(found) == [[]] * 7 + [[job.job_id]]
    assert len(look(stack, job.project_id).audited("job stopped", job.job_id)) == 1


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
def test_a_job_that_succeeded_before_the_event_stays_so(stack: Stack, job: StagedJob, status: str) -> None:
    job.run_until(finalize)
    before = look(stack, job.project_id)
    assert stop(job, status) == []
    assert look(stack, job.project_id) == before
    assert problems_of_provisioned(before, job.payload) == []


def test_a_job_that_closed_itself_keeps_its_own_ending(stack: Stack, job: StagedJob) -> None:
    job.run_until(create_database)
    job.compensate()
    job.record_failure({"creating_database": CREATING})
    before, text = look(stack, job.project_id), text_of(job)
    assert stop(job, "FAILED", error="DatabaseCreationFailed") == []
    assert (look(stack, job.project_id), text_of(job)) == (before, text)


def test_an_event_does_not_win_over_the_rollback_that_closes_the_job(stack: Stack, job: StagedJob) -> None:
    job.run_until(generate_api_keys)
    job.compensate()
    stop(job)
    assert job.record_failure(STOPPED)["outcome"] == "rolled_back"
    assert stop(job) == []
    assert row_of(stack, job)["status"] == "rolled_back"
    assert text_of(job).startswith("rolled_back: its execution was stopped")


def test_a_stopped_job_is_rolled_back_with_everything_that_the_ledger_knows(stack: Stack, job: StagedJob) -> None:
    job.run_until(generate_api_keys)
    stop(job)
    assert job.roll_back()["outcome"] == "rolled_back"
    world = look(stack, job.project_id)
    assert (world.databases, world.roles, world.secrets, world.registrations) == ([], [], [], {})
    assert project_status(stack, job) == "failed"


@pytest.mark.parametrize("handler", [create_database, generate_api_keys, finalize])
def test_an_attempt_in_flight_records_nothing_once_its_job_is_stopped(
    stack: Stack, job: StagedJob, handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """StopExecution does not end a Lambda: its commit comes after the event."""
    if handler is not create_database:
        job.run_until({finalize: generate_api_keys, generate_api_keys: create_schema}[handler])
    from provisioning.ledger.attempt import Attempt

    finish = Attempt._finish

    def stopped_first(attempt: Attempt, *arguments: Any, **named: Any) -> Any:
        with lambda_environment():
            assert stop(job) == [job.job_id]
        return finish(attempt, *arguments, **named)

    monkeypatch.setattr(Attempt, "_finish", stopped_first)
    with pytest.raises(JobClosed):
        job.run(handler)
    assert row_of(stack, job)["status"] == "stopped"
    assert project_status(stack, job) == "provisioning"
    assert job.roll_back()["outcome"] == "rolled_back"
    assert look(stack, job.project_id).databases == []


def test_no_attempt_begins_once_the_job_is_stopped(job: StagedJob) -> None:
    stop(job)
    with pytest.raises(JobClosed, match="the job is stopped"):
        job.run(create_database)


def test_a_first_stage_in_flight_does_not_open_a_job_that_is_stopped(stack: Stack, project_id: str) -> None:
    job = a_job(project_id)
    assert stop(job) == [job.job_id]
    with pytest.raises(JobClosed, match="the job is stopped"):
        job.verify()
    assert project_status(stack, job) == "created"
    assert "Nothing is left" not in text_of(job)


def test_a_job_that_the_control_plane_does_not_know_is_looked_for_by_its_rollback(stack: Stack, job: StagedJob) -> None:
    """Its row was lost, as in a failover to a replica that lacked the last commits."""
    job.run_until(create_database)
    tenant = job.tenant_id
    for table in ("tenants", "provisioning_steps", "jobs"):
        forget = sql.SQL("DELETE FROM control_plane.{} WHERE job_id = %s").format(sql.Identifier(table))
        execute(stack, "control_plane", forget, job.job_id)
    reset = "UPDATE control_plane.projects SET status = 'created', job_id = NULL WHERE project_id = %s"
    execute(stack, "control_plane", reset, job.project_id)
    stop(job)
    assert f"nobody has looked. Next: provision rollback {job.job_id}." in text_of(job)
    job.tenant_id = None
    assert any(str(tenant) in removed for removed in job.compensate())
    assert job.record_failure(STOPPED)["outcome"] == "failed"
    assert f" Rolled back: tenant_{tenant}, " in text_of(job)


@pytest.mark.parametrize("included", [True, False], ids=["with its input", "with its input left out"])
def test_an_unknown_job_is_recorded_with_its_project_if_the_event_says_it(
    stack: Stack, project_id: str, *, included: bool
) -> None:
    job = a_job(project_id)
    detail: dict[str, Any] = {} if included else {"input": None, "inputDetails": {"included": False}}
    stop(job, **detail)
    query = "SELECT status, project_id FROM control_plane.jobs WHERE job_id = %s"
    assert execute(stack, "control_plane", query, job.job_id) == [("stopped", project_id if included else None)]


def test_the_end_of_a_rollback_stops_no_job(stack: Stack, job: StagedJob) -> None:
    name = f"rollback-{job.job_id}"
    for status in ("FAILED", "ABORTED", "TIMED_OUT"):
        assert stop(job, status, name=name, input=json.dumps({"rolls_back": job.job_id})) == []
    assert row_of(stack, job)["status"] == "running"
    unknown = "SELECT count(*) FROM control_plane.jobs WHERE job_id = %s"
    assert execute(stack, "control_plane", unknown, name) == [(0,)]


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "PENDING_REDRIVE"])
def test_another_status_stops_no_job(stack: Stack, job: StagedJob, status: str) -> None:
    assert stop(job, status) == []
    assert row_of(stack, job)["status"] == "running"


def test_the_execution_of_another_state_machine_is_no_job(job: StagedJob) -> None:
    assert stop(job, stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:others") == []


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"rolls_back": 1}', "[" * 100_000])
def test_an_input_that_is_no_payload_does_not_keep_a_job_from_being_stopped(job: StagedJob, text: str) -> None:
    assert stop(job, input=text) == [job.job_id]


@pytest.mark.parametrize("job_type", DECLARATIONS)
def test_a_project_whose_job_was_stopped_accepts_only_its_rollback(job: StagedJob, job_type: JobType) -> None:
    stop(job)
    told = f"the job {job.job_id} of the project {job.project_id} was stopped and not rolled back$"
    for fields in ({}, {"retries": job.job_id}):
        another = StagedJob(f"job-{uuid.uuid4().hex}", {"project_id": job.project_id, **fields}, job_type=job_type)
        if job_type == job.job_type:
            another.payload = {**job.payload, **fields}
        with pytest.raises(ProjectNotEligible, match=told):
            another.verify()


def test_a_project_is_provisioned_again_once_its_stopped_job_is_rolled_back(stack: Stack, job: StagedJob) -> None:
    job.run_until(create_schema)
    stop(job)
    job.roll_back()
    open_job(job.project_id).run_until(finalize)
    assert project_status(stack, job) == "active"


def test_reconcile_leaves_what_a_stopped_job_holds_to_its_rollback(stack: Stack, job: StagedJob) -> None:
    job.run_until(create_schema)
    stop(job)
    before = look(stack, job.project_id).tenants
    reconcile({}, Context())
    assert look(stack, job.project_id).tenants == before
