"""Where `rolls_back` leads in the shipped state machine, depending on the status of the job's own execution."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.core.exceptions import AWSError
from moto.stepfunctions.exceptions import InvalidArn, StateMachineDoesNotExist
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from local.aws import ACCOUNT
from local.aws_client import REGION
from provisioning.jobs import executions
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import StepFunctions
from tests.executions.rolling_back import roll_back_again
from tests.local.conftest import Machine
from tests.local.shipped_machine.toys import (
    ANSWERS,
    COMPENSATIONS,
    PAYLOAD,
    Toys,
    arn_of,
)

Rollback = Callable[..., dict[str, Any]]


@pytest.fixture
def rollback(machine: Machine, toys: Toys, job: str) -> Rollback:
    """Run a job, give its execution a status, roll the job back, and return how that execution ended."""

    def run(status: str) -> dict[str, Any]:
        machine.run(json.dumps(PAYLOAD), job)
        toys.given.clear()
        with standing(arn_of(machine, job), status):
            return roll_back(machine, job)

    return run


def roll_back(machine: Machine, job: str) -> dict[str, Any]:
    """Run an execution that rolls a job back, and return how it ended."""
    return machine.run(json.dumps({"rolls_back": job}), f"{job}-again")


@contextmanager
def standing(arn: str, status: str) -> Iterator[None]:
    """Have Step Functions report this status for an execution that has ended."""
    execution: Any = stepfunctions_parser_backends[ACCOUNT][REGION].describe_execution(arn)
    before, execution.exec_status = execution.exec_status, ExecutionStatus(status)
    try:
        yield
    finally:
        execution.exec_status = before


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", "PENDING_REDRIVE"])
def test_a_job_that_ended_badly_is_rolled_back(
    machine: Machine, job: str, toys: Toys, rollback: Rollback, status: str
) -> None:
    ended = rollback(status)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Stopped", "Nothing is left.")
    given: dict[str, object] = {"job_type": "provision_project", "job_id": job, "tenant_id": None}
    given |= {"forgotten": False, "failure": {}}
    closing = {
        "job_id": job,
        "execution_arn": arn_of(machine, job),
        "payload": {"rolls_back": job},
        "tenant_id": None,
        "job_type": "provision_project",
        "forgotten": False,
        "failure": {},
    }
    assert toys.given == [*((name, given) for name in COMPENSATIONS), ("RecordFailureFunction", closing)]


@pytest.mark.parametrize("status", ["SUCCEEDED", "RUNNING"])
def test_a_job_that_runs_or_has_succeeded_is_not_touched(toys: Toys, rollback: Rollback, status: str) -> None:
    ended = rollback(status)
    assert (ended["status"], ended["error"]) == ("FAILED", "JobClosed")
    assert toys.given == []


def test_a_job_is_asked_for_by_its_own_execution_while_that_really_runs(machine: Machine, job: str, toys: Toys) -> None:
    outcomes = []

    def roll_back_meanwhile(event: Any, _context: Any) -> Any:
        client = machine.aws.client("stepfunctions")
        outcomes.append(roll_back_again(client, machine.aws.state_machine_arn, event["job_id"]))
        return ANSWERS["FinalizeFunction"]

    with machine.runtime.replaced("FinalizeFunction", roll_back_meanwhile):
        assert machine.run(json.dumps(PAYLOAD), job)["status"] == "SUCCEEDED"
    assert [(outcome.status, outcome.clean) for outcome in outcomes] == [("JobClosed", False)]
    assert set(toys.called).isdisjoint({*COMPENSATIONS, "RecordFailureFunction"})


def test_an_execution_that_is_forgotten_is_said_to_be_after_three_looks(machine: Machine, job: str, toys: Toys) -> None:
    assert roll_back(machine, job)["error"] == "Stopped"
    assert machine.clock.seconds(execution=f"{job}-again", state="Look at its execution") == [5, 5]
    given: dict[str, object] = {"job_type": "provision_project", "job_id": job, "tenant_id": None}
    given |= {"forgotten": True, "failure": {}}
    assert toys.events(*COMPENSATIONS) == [given] * 3
    (recorded,) = toys.events("RecordFailureFunction")
    assert (recorded["job_id"], recorded["failure"]) == (job, {})
    assert recorded["execution_arn"] == arn_of(machine, job)


@pytest.mark.parametrize(
    ("refusal", "waits"), [(InvalidArn("no such form"), []), (StateMachineDoesNotExist("anything else"), [300, 300])]
)
def test_nothing_is_touched_while_step_functions_does_not_say_how_the_job_stands(
    machine: Machine, job: str, toys: Toys, monkeypatch: pytest.MonkeyPatch, refusal: AWSError, waits: list[float]
) -> None:
    original = StepFunctionResponse.describe_execution

    def refuse(response: StepFunctionResponse) -> Any:
        if str(response._get_param("executionArn")).endswith(f":{job}"):
            raise refusal
        return original(response)

    monkeypatch.setattr(StepFunctionResponse, "describe_execution", refuse)
    assert roll_back(machine, job)["error"] == "ExecutionNotDescribed"
    assert machine.clock.seconds(execution=f"{job}-again", state="Look at its execution") == waits
    assert toys.given == []


@pytest.mark.parametrize("function", [*COMPENSATIONS, "RecordFailureFunction"])
def test_a_rollback_retries_as_its_job_does(machine: Machine, job: str, toys: Toys, function: str) -> None:
    toys.answers[function] = ValueError("not now")
    roll_back(machine, job)
    assert toys.called.count(function) == 3
    assert {*COMPENSATIONS, "RecordFailureFunction"} == set(toys.called)


@pytest.mark.parametrize(
    ("recorded", "clean"),
    [("rolled_back", True), ("failed", True), ("rollback_incomplete", False), ("refused", False)],
)
def test_the_outcome_is_what_the_job_was_closed_with(
    machine: Machine, job: str, toys: Toys, recorded: str, *, clean: bool
) -> None:
    toys.answers["RecordFailureFunction"] = ANSWERS["RecordFailureFunction"] | {"outcome": recorded, "cause": "why"}
    client = machine.aws.client("stepfunctions")
    outcome = roll_back_again(client, machine.aws.state_machine_arn, job)
    assert (outcome.status, outcome.text, outcome.clean) == (recorded, "why", clean)


def test_a_rollback_that_could_not_be_recorded_says_so(machine: Machine, job: str, toys: Toys) -> None:
    toys.answers["RecordFailureFunction"] = ValueError("away")
    outcome = roll_back_again(machine.aws.client("stepfunctions"), machine.aws.state_machine_arn, job)
    assert (outcome.status, outcome.clean) == ("FailureNotRecorded", False)


@pytest.mark.parametrize("job_id", ["job", "j" * 80])
def test_each_rollback_has_a_name_that_step_functions_takes_and_no_other_has(
    machine: Machine, toys: Toys, job_id: str
) -> None:
    place = StepFunctions(machine.aws.client("stepfunctions"), machine.aws.state_machine_arn)
    started = [executions.roll_back(PROVISION_PROJECT.job_type, job_id, place) for _ in range(10)]
    assert all(machine.aws.wait(one.execution_arn, 60) for one in started)
    names = {one.job_id for one in started}
    assert len(names) == 10
    assert all(len(name) <= 80 and name.startswith("rollback-j") for name in names)
