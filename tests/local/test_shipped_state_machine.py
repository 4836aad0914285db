"""The shipped state machine with toy functions: what each is given, and where a rollback leads."""

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
from local.errors import HumanError
from local.rollback import execution_name, roll_back_again
from local.template import read_template
from tests.local.conftest import Machine, Machines

COMPENSATIONS = ["RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction"]
REGISTRATIONS = [f"Register{name}Function" for name in ("Auth", "Realtime", "Storage", "Pooler")]
PAYLOAD = {"project_id": "p", "region": "us-east-1"}
CHOSEN, CLAIMED = "a" * 20, "b" * 20
"""The tenant that "Verify project" chose, and the one that "Create tenant database" claimed in its place."""

ANSWERS: dict[str, Any] = {
    "VerifyProjectFunction": {"job_id": "job", "project_id": "p", "tenant_id": CHOSEN},
    "CreateDatabaseFunction": {"tenant_id": CLAIMED, "name": "tenant_b", "host": "h", "port": 5432, "secret_arn": "s"},
    "CreateSchemaFunction": {"schema": "tenant", "version": "0001"},
    **{name: {"service": name, "external_id": CLAIMED, "endpoint": "e"} for name in REGISTRATIONS},
    "GenerateApiKeysFunction": {"api_keys": []},
    "FinalizeFunction": {"project_id": "p"},
    **{name: {"removed": []} for name in COMPENSATIONS},
    "RecordFailureFunction": {"outcome": "rolled_back", "error": "Stopped", "cause": "Nothing is left.", "result": {}},
}


class InvalidPayload(Exception):
    """Permanent, by its name."""


class Toys:
    """Functions that answer what they are told to, and keep what they were given."""

    def __init__(self) -> None:
        self.answers = dict(ANSWERS)
        self.given: list[tuple[str, Any]] = []

    def __call__(self, event: Any, context: Any) -> Any:
        self.given.append((context.function_name, event))
        answer = self.answers[context.function_name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def events(self, *functions: str) -> list[Any]:
        return [event for function, event in self.given if function in functions]

    @property
    def called(self) -> list[str]:
        return [function for function, _ in self.given]


@pytest.fixture
def toys() -> Toys:
    return Toys()


@pytest.fixture
def machine(machines: Machines, toys: Toys) -> Machine:
    return machines(toys, shipped=read_template())


Rollback = Callable[..., dict[str, Any]]


@pytest.fixture
def rollback(machine: Machine, toys: Toys) -> Rollback:
    """Runs a job, gives its execution a status, rolls the job back, and returns how that execution ended."""

    def run(status: str) -> dict[str, Any]:
        machine.run(json.dumps(PAYLOAD), "job")
        toys.given.clear()
        with standing(arn_of(machine, "job"), status):
            return machine.run(json.dumps({"rolls_back": "job"}), "again")

    return run


def arn_of(machine: Machine, name: str) -> str:
    return f"{machine.aws.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


@contextmanager
def standing(arn: str, status: str) -> Iterator[None]:
    """Lets Step Functions say so of an execution that has ended."""
    execution: Any = stepfunctions_parser_backends[ACCOUNT][REGION].describe_execution(arn)
    before, execution.exec_status = execution.exec_status, ExecutionStatus(status)
    try:
        yield
    finally:
        execution.exec_status = before


def test_every_stage_is_given_its_job_and_the_tenant_that_the_job_has_by_then(machine: Machine, toys: Toys) -> None:
    ended = machine.run(json.dumps(PAYLOAD), "job")
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"project_id": "p"})
    assert toys.events("VerifyProjectFunction") == [
        {"job_id": "job", "execution_arn": arn_of(machine, "job"), "payload": PAYLOAD}
    ]
    assert toys.events("CreateDatabaseFunction") == [{"job_id": "job", "tenant_id": CHOSEN}]
    after = ["CreateSchemaFunction", *REGISTRATIONS, "GenerateApiKeysFunction", "FinalizeFunction"]
    assert toys.events(*after) == [{"job_id": "job", "tenant_id": CLAIMED}] * len(after)
    assert len(toys.called) == 2 + len(after)


def test_a_service_that_is_not_wanted_answers_nulls_and_the_job_continues(machine: Machine, toys: Toys) -> None:
    nulls = {"service": None, "external_id": None, "endpoint": None}
    toys.answers |= dict.fromkeys(REGISTRATIONS, nulls)
    assert machine.run(json.dumps(PAYLOAD))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("function", "stage", "tenant_id"),
    [
        ("CreateDatabaseFunction", "creating_database", CHOSEN),
        ("CreateSchemaFunction", "creating_schema", CLAIMED),
        ("RegisterStorageFunction", "registering_storage", CLAIMED),
        ("GenerateApiKeysFunction", "generating_api_keys", CLAIMED),
        ("FinalizeFunction", "finalizing", CLAIMED),
    ],
)
def test_a_failed_stage_is_rolled_back_with_the_tenant_that_the_job_had(
    machine: Machine, toys: Toys, function: str, stage: str, tenant_id: str
) -> None:
    toys.answers[function] = InvalidPayload("no")
    ended = machine.run(json.dumps(PAYLOAD), "job")
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Stopped", "Nothing is left.")
    assert toys.called[-4:] == [*COMPENSATIONS, "RecordFailureFunction"]
    assert toys.events(*COMPENSATIONS) == [{"job_id": "job", "tenant_id": tenant_id, "forgotten": False}] * 3
    (recorded,) = toys.events("RecordFailureFunction")
    assert recorded.pop("failure")[stage]["Error"] == "InvalidPayload"
    expected = {"job_id": "job", "execution_arn": arn_of(machine, "job"), "payload": PAYLOAD, "tenant_id": tenant_id}
    assert recorded == expected


@pytest.mark.parametrize("payload", ["text", None, 5, [], ["rolls_back"], {}, {"rolls_back": None}, {"rolls_back": 5}])
def test_what_names_no_job_by_a_string_is_a_payload_for_the_first_stage(
    machine: Machine, toys: Toys, payload: object
) -> None:
    toys.answers["VerifyProjectFunction"] = InvalidPayload("no")
    assert machine.run(json.dumps(payload), "job")["status"] == "FAILED"
    assert toys.called == ["VerifyProjectFunction", "RecordFailureFunction"]
    assert toys.events("VerifyProjectFunction")[0]["payload"] == payload
    (recorded,) = toys.events("RecordFailureFunction")
    assert (recorded["payload"], recorded["tenant_id"], list(recorded["failure"])) == (payload, None, ["initializing"])


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", "PENDING_REDRIVE"])
def test_a_job_that_ended_badly_is_rolled_back(machine: Machine, toys: Toys, rollback: Rollback, status: str) -> None:
    ended = rollback(status)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Stopped", "Nothing is left.")
    given = {"job_id": "job", "tenant_id": None, "forgotten": False}
    closing = {
        "job_id": "job",
        "execution_arn": arn_of(machine, "job"),
        "payload": {"rolls_back": "job"},
        "tenant_id": None,
        "failure": {},
    }
    assert toys.given == [*((name, given) for name in COMPENSATIONS), ("RecordFailureFunction", closing)]


@pytest.mark.parametrize("status", ["SUCCEEDED", "RUNNING"])
def test_a_job_that_runs_or_has_succeeded_is_not_touched(toys: Toys, rollback: Rollback, status: str) -> None:
    ended = rollback(status)
    assert (ended["status"], ended["error"]) == ("FAILED", "JobClosed")
    assert toys.given == []


def test_a_job_is_asked_for_by_its_own_execution_while_that_really_runs(machine: Machine, toys: Toys) -> None:
    outcomes = []

    def roll_back_meanwhile(event: Any, _context: Any) -> Any:
        client = machine.aws.client("stepfunctions")
        outcomes.append(roll_back_again(client, machine.aws.state_machine_arn, event["job_id"]))
        return ANSWERS["FinalizeFunction"]

    with machine.runtime.replaced("FinalizeFunction", roll_back_meanwhile):
        assert machine.run(json.dumps(PAYLOAD))["status"] == "SUCCEEDED"
    assert [(outcome.status, outcome.clean) for outcome in outcomes] == [("JobClosed", False)]
    assert set(toys.called).isdisjoint({*COMPENSATIONS, "RecordFailureFunction"})


def test_an_execution_that_is_forgotten_is_said_to_be_after_three_looks(machine: Machine, toys: Toys) -> None:
    assert machine.run('{"rolls_back": "long-ago"}', "again")["error"] == "Stopped"
    assert machine.clock.seconds(state="Look at its execution") == [5, 5]
    assert toys.events(*COMPENSATIONS) == [{"job_id": "long-ago", "tenant_id": None, "forgotten": True}] * 3
    (recorded,) = toys.events("RecordFailureFunction")
    assert (recorded["job_id"], recorded["failure"]) == ("long-ago", {})
    assert recorded["execution_arn"] == arn_of(machine, "long-ago")


@pytest.mark.parametrize(
    ("refusal", "waits"), [(InvalidArn("no such form"), []), (StateMachineDoesNotExist("anything else"), [300, 300])]
)
def test_nothing_is_touched_while_step_functions_does_not_say_how_the_job_stands(
    machine: Machine, toys: Toys, monkeypatch: pytest.MonkeyPatch, refusal: AWSError, waits: list[float]
) -> None:
    original = StepFunctionResponse.describe_execution

    def refuse(response: StepFunctionResponse) -> Any:
        if str(response._get_param("executionArn")).endswith(":job"):
            raise refusal
        return original(response)

    monkeypatch.setattr(StepFunctionResponse, "describe_execution", refuse)
    assert machine.run('{"rolls_back": "job"}', "again")["error"] == "ExecutionNotDescribed"
    assert machine.clock.seconds(state="Look at its execution") == waits
    assert toys.given == []


@pytest.mark.parametrize("function", [*COMPENSATIONS, "RecordFailureFunction"])
def test_a_rollback_retries_as_its_job_does(machine: Machine, toys: Toys, function: str) -> None:
    toys.answers[function] = ValueError("not now")
    machine.run('{"rolls_back": "job"}', "again")
    assert toys.called.count(function) == 3
    assert {*COMPENSATIONS, "RecordFailureFunction"} == set(toys.called)


@pytest.mark.parametrize(
    ("recorded", "clean"),
    [("rolled_back", True), ("failed", True), ("rollback_incomplete", False), ("provisioned", False)],
)
def test_the_outcome_is_what_the_job_was_closed_with(
    machine: Machine, toys: Toys, recorded: str, *, clean: bool
) -> None:
    toys.answers["RecordFailureFunction"] = ANSWERS["RecordFailureFunction"] | {"outcome": recorded, "cause": "why"}
    client = machine.aws.client("stepfunctions")
    outcome = roll_back_again(client, machine.aws.state_machine_arn, "job")
    assert (outcome.status, outcome.cause, outcome.clean) == (recorded, "why", clean)


def test_a_rollback_that_could_not_be_recorded_says_so(machine: Machine, toys: Toys) -> None:
    toys.answers["RecordFailureFunction"] = ValueError("away")
    outcome = roll_back_again(machine.aws.client("stepfunctions"), machine.aws.state_machine_arn, "job")
    assert (outcome.status, outcome.clean) == ("FailureNotRecorded", False)


def test_a_state_machine_that_is_not_there_is_said_in_one_line(machine: Machine) -> None:
    with pytest.raises(HumanError, match="nowhere"):
        roll_back_again(machine.aws.client("stepfunctions"), f"{machine.aws.state_machine_arn}nowhere", "job")


@pytest.mark.parametrize("job_id", ["job", "j" * 80])
def test_each_rollback_has_a_name_that_step_functions_takes_and_no_other_has(job_id: str) -> None:
    names = {execution_name(job_id) for _ in range(10)}
    assert len(names) == 10
    assert all(len(name) <= 80 and name.startswith("rollback-j") for name in names)
