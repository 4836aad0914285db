"""A job is started in the state machine of its type, found from any other one of the deployment."""

import json
from typing import Any

import boto3
import pytest

from provisioning.jobs.declaration import JobType
from provisioning.jobs.executions import LONGEST_NAME, roll_back, start
from provisioning.jobs.registry import DECLARATIONS, StepFunctions, get_job_handler, job_type_of, state_machine_of
from tests import shipped
from tests.state_machines import every_job_type

STATES_OF = "arn:{partition}:states:eu-central-1:123456789012:stateMachine:{name}"
PAYLOAD = {"project_id": "demo"}
NAMES = {job_type: shipped.state_machine(job_type)["StateMachineName"]["Fn::Sub"] for job_type in DECLARATIONS}
"""The names in template.yaml, each with the stack's name."""

StateMachines = dict[JobType, str]


def machine(job_type: JobType, stack_name: str = "stack", qualifier: str = "", partition: str = "aws") -> str:
    """The ARN of a job type's state machine in a deployment, with a version or an alias at its end."""
    name = NAMES[job_type].replace("${AWS::StackName}", stack_name)
    return STATES_OF.format(partition=partition, name=name) + qualifier


def execution(arn: str) -> dict[str, Any]:
    return dict(boto3.client("stepfunctions").describe_execution(executionArn=arn))


NOT_OURS = {
    "nothing": "",
    "a name": "stack-provision-project",
    "another state machine": STATES_OF.format(partition="aws", name="stack-another"),
    "a name that only ends alike": STATES_OF.format(partition="aws", name="stack-unprovision-project"),
    "a name without a stack": STATES_OF.format(partition="aws", name="provision-project"),
    "a qualifier that ends alike": STATES_OF.format(partition="aws", name="stack-another:x-provision-project"),
}


@every_job_type
@pytest.mark.parametrize("stack_name", ["stack", "a-b-c", "provision-project", "my-resume-project"])
@pytest.mark.parametrize("qualifier", ["", ":live", ":3"])
def test_the_type_of_a_state_machine_is_read_from_its_arn(job_type: JobType, stack_name: str, qualifier: str) -> None:
    assert job_type_of(machine(job_type, stack_name, qualifier)) == job_type


@pytest.mark.parametrize("arn", NOT_OURS.values(), ids=NOT_OURS)
def test_any_other_arn_is_of_no_type(arn: str) -> None:
    assert job_type_of(arn) is None


@every_job_type
@pytest.mark.parametrize("known", DECLARATIONS)
@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_a_state_machine_is_found_from_its_siblings_arn(job_type: JobType, known: JobType, partition: str) -> None:
    assert state_machine_of(machine(known, partition=partition), job_type) == machine(job_type, partition=partition)


@every_job_type
@pytest.mark.parametrize("qualifier", [":live", ":3"])
def test_a_version_or_an_alias_is_kept_in_the_siblings_arn(job_type: JobType, qualifier: str) -> None:
    for known in DECLARATIONS:
        assert state_machine_of(machine(known, qualifier=qualifier), job_type) == machine(job_type, qualifier=qualifier)


@pytest.mark.parametrize("arn", NOT_OURS.values(), ids=NOT_OURS)
def test_an_arn_of_no_type_is_refused(arn: str) -> None:
    with pytest.raises(LookupError, match="is the state machine of no job type"):
        state_machine_of(arn, next(iter(DECLARATIONS)))


@every_job_type
@pytest.mark.parametrize("known", DECLARATIONS)
def test_a_handler_starts_the_state_machine_of_its_own_type(
    state_machines: StateMachines, job_type: JobType, known: JobType
) -> None:
    at = StepFunctions(boto3.client("stepfunctions"), state_machines[known])
    job = get_job_handler(job_type)(PAYLOAD, "job-1", at)
    started = execution(job.execution_arn)
    assert (job.job_id, started["name"], started["stateMachineArn"]) == ("job-1", "job-1", state_machines[job_type])
    assert json.loads(started["input"]) == PAYLOAD


@every_job_type
def test_without_a_place_a_handler_asks_the_settings(
    state_machines: StateMachines, monkeypatch: pytest.MonkeyPatch, job_type: JobType
) -> None:
    monkeypatch.setenv("STATE_MACHINE_ARN", next(iter(state_machines.values())))
    assert execution(get_job_handler(job_type)(PAYLOAD).execution_arn)["stateMachineArn"] == state_machines[job_type]


def test_a_place_that_is_given_is_taken_instead_of_the_settings(
    state_machines: StateMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_MACHINE_ARN", NOT_OURS["another state machine"])
    job_type, arn = next(iter(state_machines.items()))
    assert start(job_type, PAYLOAD, "job-1", StepFunctions(boto3.client("stepfunctions"), arn)).job_id == "job-1"


def test_no_job_is_started_from_an_arn_of_no_type(state_machines: StateMachines) -> None:
    at = StepFunctions(boto3.client("stepfunctions"), NOT_OURS["another state machine"])
    for job_type in state_machines:
        with pytest.raises(LookupError, match="stack-another"):
            start(job_type, PAYLOAD, "job-1", at)


@every_job_type
@pytest.mark.parametrize("job_id", ["job-1", "j" * LONGEST_NAME])
def test_a_rollback_is_an_execution_of_the_jobs_own_type(
    state_machines: StateMachines, job_type: JobType, job_id: str
) -> None:
    at = StepFunctions(boto3.client("stepfunctions"), next(iter(state_machines.values())))
    started = execution(roll_back(job_type, job_id, at).execution_arn)
    assert started["stateMachineArn"] == state_machines[job_type]
    assert json.loads(started["input"]) == {"rolls_back": job_id}
    assert started["name"].startswith(f"rollback-{job_id[:50]}")
    assert len(started["name"]) <= LONGEST_NAME == 80


def test_a_rollback_that_is_started_twice_has_two_names(state_machines: StateMachines) -> None:
    job_type, arn = next(iter(state_machines.items()))
    at = StepFunctions(boto3.client("stepfunctions"), arn)
    assert roll_back(job_type, "job-1", at).job_id != roll_back(job_type, "job-1", at).job_id
