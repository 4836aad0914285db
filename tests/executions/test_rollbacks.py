"""Executions that only roll a job back, as `provision rollback` starts them."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from psycopg2 import sql

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.lambda_environment import Handler
from local.stack import Stack
from tests.executions.last_look import look_last
from tests.executions.running import (
    SERVICES,
    Ran,
    ended,
    entered,
    eventually,
    execute,
    history,
    payload_for,
    replaced,
    seconds_between_attempts,
)
from tests.executions.running import run as run_payload
from tests.executions.stage_faults import named
from tests.executions.worlds import (
    World,
    look,
    problems_after_last_look,
    problems_of_provisioned,
    problems_of_rolled_back,
)

COMPENSATIONS = {"Revoke API keys", "Deregister services", "Drop tenant database", "Record failure"}
LAST_COMMIT_LOST = sql.SQL("""
    UPDATE control_plane.jobs SET status = 'running', completed_at = NULL, result = NULL WHERE job_id = {job};
    UPDATE control_plane.provisioning_steps SET status = 'running', completed_at = NULL, output = NULL
    WHERE job_id = {job} AND stage = 'finalizing';
    UPDATE control_plane.tenants SET state = 'making' WHERE job_id = {job};
    UPDATE control_plane.projects SET status = 'provisioning' WHERE job_id = {job}
""")
"""What a control plane lacks after a failover to a replica without a job's last commit."""


def roll_back(stack: Stack, job_id: str) -> Ran:
    return run_payload(stack, {"rolls_back": job_id})


def stopped_before_finalize(stack: Stack, project_id: str) -> str:
    """Stop a job's execution between two attempts at its last stage, and return the job's id."""
    job_id = f"job-{uuid.uuid4().hex[:12]}"

    def fail(handler: Handler, event: Any, context: Any) -> Any:
        raise named("Lambda.Unknown")

    with seconds_between_attempts(stack, 1.0), replaced(stack, "FinalizeFunction", fail):
        arn = stack.start_execution(payload_for(project_id, *SERVICES), job_id)
        assert eventually(lambda: stack.clock.seconds(execution=job_id) == [300])
        stack.client("stepfunctions").stop_execution(executionArn=arn)
        assert ended(stack, arn).status == "ABORTED"
    return job_id


@contextmanager
def forgotten(job_id: str) -> Iterator[None]:
    """Step Functions has forgotten the job's execution, as 90 days after its end."""
    machines = stepfunctions_parser_backends[ACCOUNT][REGION].state_machines
    (machine,) = (one for one in machines if any(execution.name == job_id for execution in one.executions))
    known = machine.executions
    machine.executions = [execution for execution in known if execution.name != job_id]
    try:
        yield
    finally:
        machine.executions = known


def everything_but_the_audit(world: World) -> dict[str, Any]:
    return {name: value for name, value in vars(world).items() if name != "audit"}


def test_a_stopped_execution_is_rolled_back(stack: Stack, project_id: str) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    assert problems_of_rolled_back(look(stack, project_id)) != []
    ran = roll_back(stack, job_id)
    assert (ran.status, ran.error) == ("FAILED", "ExecutionStopped")
    assert ". Rolled back: " in ran.cause
    assert problems_after_last_look(stack, project_id) == []
    assert look(stack, project_id).jobs[0]["status"] == "rolled_back"


def test_a_rollback_enters_the_compensations_and_no_stage(stack: Stack, project_id: str) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    assert entered(history(stack, roll_back(stack, job_id).arn)) == [
        *("Receive payload", "Provision or roll back?", "Take up the job", "Look at its execution"),
        *("May it be rolled back?", "Revoke API keys", "Deregister services", "Drop tenant database"),
        *("Record failure", "Provisioned after all?", "Provisioning failed"),
    ]


def test_rolling_back_once_more_changes_nothing_and_ends_the_same_way(stack: Stack, project_id: str) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    first, before = roll_back(stack, job_id), look(stack, project_id)
    again = roll_back(stack, job_id)
    assert (again.status, again.error, again.cause) == (first.status, first.error, first.cause)
    assert look(stack, project_id).tenants == before.tenants
    assert problems_after_last_look(stack, project_id) == []
    assert roll_back(stack, job_id).status == "FAILED"
    assert problems_after_last_look(stack, project_id) == []


def test_a_job_that_succeeded_is_closed_and_left_untouched(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id, *SERVICES)
    succeeded = run_payload(stack, payload)
    before = look(stack, project_id)
    ran = roll_back(stack, succeeded.job_id)
    assert (ran.status, ran.error, ran.waits) == ("FAILED", "JobClosed", [])
    assert not COMPENSATIONS & set(entered(history(stack, ran.arn)))
    assert look(stack, project_id) == before
    assert problems_of_provisioned(before, payload) == []


def test_a_running_job_can_be_closed_and_continues(stack: Stack, project_id: str) -> None:
    payload, begun, over = payload_for(project_id, *SERVICES), threading.Event(), threading.Event()

    def wait(handler: Handler, event: Any, context: Any) -> Any:
        begun.set()
        over.wait(30)
        return handler(event, context)

    with replaced(stack, "GenerateApiKeysFunction", wait):
        arn = stack.start_execution(payload, job_id := f"job-{project_id}")
        assert begun.wait(30)
        ran = roll_back(stack, job_id)
        over.set()
        assert ended(stack, arn).status == "SUCCEEDED"
    assert (ran.status, ran.error) == ("FAILED", "JobClosed")
    assert problems_of_provisioned(look(stack, project_id), payload) == []


def test_a_job_whose_last_commit_was_lost_is_closed_because_its_execution_succeeded(
    stack: Stack, project_id: str
) -> None:
    succeeded = run_payload(stack, payload_for(project_id, *SERVICES))
    execute(stack, LAST_COMMIT_LOST.format(job=sql.Literal(succeeded.job_id)), "control_plane")
    before = look(stack, project_id)
    ran = roll_back(stack, succeeded.job_id)
    assert (ran.status, ran.error) == ("FAILED", "JobClosed")
    assert look(stack, project_id) == before


def test_a_job_that_is_forgotten_too_is_kept_by_the_register_as_the_witness(stack: Stack, project_id: str) -> None:
    succeeded = run_payload(stack, payload_for(project_id, *SERVICES))
    execute(stack, LAST_COMMIT_LOST.format(job=sql.Literal(succeeded.job_id)), "control_plane")
    before = look(stack, project_id)
    with forgotten(succeeded.job_id):
        ran = roll_back(stack, succeeded.job_id)
    assert "Nothing is left" not in ran.cause
    assert "Not known whether anything is left: the register does not give tenant" in ran.cause
    assert look(stack, project_id).given == before.given


def test_an_unfinished_job_that_is_forgotten_is_rolled_back(stack: Stack, project_id: str) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    with forgotten(job_id):
        ran = roll_back(stack, job_id)
    assert ran.error == "ExecutionStopped"
    assert problems_after_last_look(stack, project_id) == []


def test_a_succeeded_job_that_is_forgotten_is_provisioned_and_left_untouched(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id, *SERVICES)
    succeeded = run_payload(stack, payload)
    before = look(stack, project_id)
    with forgotten(succeeded.job_id):
        ran = roll_back(stack, succeeded.job_id)
    assert (ran.status, ran.output) == ("SUCCEEDED", succeeded.output)
    assert everything_but_the_audit(look(stack, project_id)) == everything_but_the_audit(before)


def test_of_a_job_that_nobody_knows_no_rollback_ever_says_that_nothing_is_left(stack: Stack) -> None:
    job_id = f"unknown-{uuid.uuid4().hex}"
    for _ in range(3):
        ran = roll_back(stack, job_id)
        assert "Nothing is left" not in ran.cause
        assert "neither Step Functions nor the control plane knows this job: nothing was looked for" in ran.cause


def test_a_job_that_only_the_register_knows_is_rolled_back_with_its_registrations(
    stack: Stack, project_id: str
) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    forget_job(stack, job_id, project_id)
    ran = roll_back(stack, job_id)
    assert (ran.error, "Not known" in ran.cause, "Nothing is left" in ran.cause) == ("ExecutionStopped", False, True)
    left = look(stack, project_id)
    assert (left.databases, left.roles, left.secrets, left.registrations) == ([], [], [], {})
    assert look_last(stack, project_id) == []
    assert look(stack, project_id).dangling == []


def test_a_job_that_only_the_register_knows_and_that_is_forgotten_is_left_untouched(
    stack: Stack, project_id: str
) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    forget_job(stack, job_id, project_id)
    before = look(stack, project_id)
    with forgotten(job_id):
        ran = roll_back(stack, job_id)
        assert "Not known whether anything is left" in ran.cause
        assert everything_but_the_audit(look(stack, project_id)) == everything_but_the_audit(before)
    assert "Nothing is left" in roll_back(stack, job_id).cause
    assert look(stack, project_id).registrations == {}
    assert look_last(stack, project_id) == []
    assert look(stack, project_id).dangling == []


def forget_job(stack: Stack, job_id: str, project_id: str) -> None:
    """Remove the job from the control plane, like a restore from a backup that is older than the job."""
    tables = ("api_keys", "api_key_secrets", "service_registrations", "tenants", "provisioning_steps", "jobs")
    for table in tables:
        forget = sql.SQL("DELETE FROM control_plane.{} WHERE job_id = {}")
        execute(stack, forget.format(sql.Identifier(table), sql.Literal(job_id)), "control_plane")
    created = sql.SQL("UPDATE control_plane.projects SET status = 'created', job_id = NULL WHERE project_id = {}")
    execute(stack, created.format(sql.Literal(project_id)), "control_plane")
