"""Retries: a stopped execution is redriven if the endpoint supports it; every other failed job gets a new execution.

moto has no redrive, so these requests are checked against botocore's model of Step Functions.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import ANY, Stubber

from console.actions import redrives, retry
from console.definition import read_definition
from console.errors import ConsoleError
from console.executions import Execution, Executions
from console.history import read_history
from console.stages import stages_of
from provisioning.jobs.rules import PAYLOAD_MAXIMUM_BYTES
from provisioning.requests.changing import payload_of_retry
from tests import shipped

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:stack-provision-project"
ARN = "arn:aws:states:us-east-1:123456789012:execution:stack-provision-project:job-1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def step_functions() -> Iterator[Stubber]:
    client = boto3.client(
        "stepfunctions", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def ended(status: str, *, redrivable: bool = True) -> Execution:
    """An execution that ended so."""
    definition = shipped.definition()
    machine = read_definition(definition)
    return Execution(
        name="job-1",
        arn=ARN,
        status=status,
        started_at=NOW,
        stopped_at=NOW,
        input='{"project_id": "demo"}',
        output="",
        error="",
        cause="",
        redrivable=redrivable,
        definition=definition,
        machine=machine,
        events=[],
        timeline=read_history(machine, stages_of(ARN), [], status, NOW),
    )


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_a_stopped_execution_whose_job_still_runs_is_redriven(step_functions: Stubber, status: str) -> None:
    step_functions.add_response("redrive_execution", {"redriveDate": NOW}, {"executionArn": ARN})
    assert retry(Executions(step_functions.client, MACHINE), ended(status), "running") == "job-1"


@pytest.mark.parametrize(
    ("execution", "job_status"),
    [
        (ended("FAILED"), "rolled_back"),
        (ended("ABORTED"), "rolled_back"),
        (ended("ABORTED"), "rollback_incomplete"),
        (ended("ABORTED", redrivable=False), "running"),
    ],
    ids=["it failed", "it was rolled back", "it is partly rolled back", "it cannot be redriven"],
)
def test_any_other_is_tried_again_by_an_execution_of_its_own(
    step_functions: Stubber, execution: Execution, job_status: str
) -> None:
    replaces = {"retries": "job-1"} if job_status == "rollback_incomplete" else {}
    payload = json.dumps(json.loads(execution.input) | replaces)
    request = {"stateMachineArn": MACHINE, "input": payload, "name": ANY}
    step_functions.add_response("start_execution", {"executionArn": ARN, "startDate": NOW}, request)
    assert not redrives(execution, job_status)
    assert retry(Executions(step_functions.client, MACHINE), execution, job_status).startswith("demo-")


def test_a_job_that_was_stopped_is_rolled_back_because_it_accepts_nothing_else(step_functions: Stubber) -> None:
    request = {"stateMachineArn": MACHINE, "input": '{"rolls_back": "job-1"}', "name": ANY}
    step_functions.add_response("start_execution", {"executionArn": ARN, "startDate": NOW}, request)
    assert not redrives(ended("ABORTED"), "stopped")
    retry(Executions(step_functions.client, MACHINE), ended("ABORTED"), "stopped")


def test_a_redrive_that_is_refused_is_said_in_one_line(step_functions: Stubber) -> None:
    step_functions.add_client_error("redrive_execution", "ExecutionNotRedrivable", "It is older than 14 days.")
    with pytest.raises(ConsoleError, match="It is older than 14 days"):
        retry(Executions(step_functions.client, MACHINE), ended("ABORTED"), "running")


def test_a_payload_that_is_too_large_to_be_sent_is_refused_in_one_line(step_functions: Stubber) -> None:
    large = replace(ended("FAILED"), input=json.dumps({"project_id": "demo", "note": "x" * PAYLOAD_MAXIMUM_BYTES}))
    with pytest.raises(ConsoleError, match=r"^payload: must be at most 204800 bytes as JSON$"):
        retry(Executions(step_functions.client, MACHINE), large, "rolled_back")


def test_a_job_of_another_type_is_tried_again_by_its_own_state_machine(step_functions: Stubber) -> None:
    suspended = replace(ended("FAILED"), arn=ARN.replace("provision", "suspend"))
    request = {"stateMachineArn": MACHINE.replace("provision", "suspend"), "input": suspended.input, "name": ANY}
    step_functions.add_response("start_execution", {"executionArn": ARN, "startDate": NOW}, request)
    retry(Executions(step_functions.client, MACHINE), suspended, "rolled_back")


def test_a_rollback_that_failed_is_tried_again_as_one(step_functions: Stubber) -> None:
    rollback = replace(ended("FAILED"), input='{"rolls_back": "job-0"}')
    request = {"stateMachineArn": MACHINE, "input": rollback.input, "name": ANY}
    step_functions.add_response("start_execution", {"executionArn": ARN, "startDate": NOW}, request)
    retry(Executions(step_functions.client, MACHINE), rollback, None)


@pytest.mark.parametrize(
    "execution",
    [
        replace(ended("FAILED"), arn=ARN.replace("stack-provision-project", "crowd")),
        replace(ended("FAILED"), input="[]"),
    ],
    ids=["a state machine of no job type", "an input that is no payload"],
)
def test_what_no_job_type_accepts_is_not_retried(step_functions: Stubber, execution: Execution) -> None:
    with pytest.raises(ConsoleError, match="no job type accepts its input, so it cannot be retried"):
        retry(Executions(step_functions.client, MACHINE), execution, None)


@pytest.mark.parametrize(
    ("status", "retries"),
    [("rollback_incomplete", "job-1"), ("rolled_back", None), ("failed", "job-0"), (None, "job-0")],
    ids=["something is left", "it took the other's place", "it never opened", "nobody knows"],
)
def test_a_retry_names_the_job_in_whose_place_it_is(status: str | None, retries: str | None) -> None:
    payload = payload_of_retry({"project_id": "p", "retries": "job-0"}, "job-1", status)
    assert (payload["project_id"], payload.get("retries")) == ("p", retries)
