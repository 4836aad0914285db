"""A deployment in an account: the stack's own AWS endpoint, called as any boto3 client would."""

import pytest
from psycopg2 import sql

from cli import deployment as deployments
from local.errors import HumanError
from local.stack import Stack
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from tests import shipped
from tests.executions.rolling_back import Outcome, roll_back_again
from tests.executions.running import SERVICES, eventually, execute, payload_for, run
from tests.executions.worlds import look, problems_of_provisioned, problems_of_rolled_back


def live(stack: Stack) -> str:
    return f"{stack.state_machine_arn}:live"


def roll_back(stack: Stack, job_id: str) -> Outcome:
    return roll_back_again(deployments.client("stepfunctions"), stack.state_machine_arn, job_id)


def test_the_functions_are_those_that_the_state_machines_invoke(stack: Stack) -> None:
    deployment = deployments.find(live(stack))
    assert deployment.state_machine_arn == stack.state_machine_arn
    assert [machine.job_type for machine in deployment.machines] == list(DECLARATIONS)
    stages = [one["Handler"] for one in shipped.functions().values() if one["Handler"].startswith("stages.")]
    assert sorted(function.handler for function in deployment.functions) == sorted(stages)


@pytest.mark.parametrize("job_type", DECLARATIONS)
def test_a_deployment_is_found_by_the_state_machine_of_any_job_type(stack: Stack, job_type: JobType) -> None:
    by_this, by_first = (deployments.find(arn) for arn in (state_machine_of(live(stack), job_type), live(stack)))
    assert (by_this.machines, by_this.functions) == (by_first.machines, by_first.functions)


def test_a_state_machine_that_is_nobodys_is_said_in_one_line(stack: Stack) -> None:
    with pytest.raises(HumanError, match="is the state machine of no job type"):
        deployments.find("arn:aws:states:us-east-1:123456789012:stateMachine:somebody-elses")


def test_a_deployment_without_one_of_its_state_machines_is_said_in_one_line(stack: Stack) -> None:
    with pytest.raises(HumanError, match=r"cannot be read: .*StateMachineDoesNotExist"):
        deployments.find("arn:aws:states:us-east-1:123456789012:stateMachine:elsewhere-suspend-project")


def test_a_state_machine_that_is_not_there_is_said_in_one_line(stack: Stack) -> None:
    with pytest.raises(HumanError, match="nowhere"):
        deployments.find(f"{stack.state_machine_arn}nowhere")


def test_a_stopped_execution_is_rolled_back(stack: Stack, project_id: str) -> None:
    def refused(*_: object) -> None:
        raise ConnectionError

    with stack.runtime.replaced("GenerateApiKeysFunction", refused):
        arn = stack.start_execution(payload_for(project_id, *SERVICES), f"job-{project_id}")
        assert eventually(lambda: stack.clock.seconds(execution=f"job-{project_id}") != [])
        stack.client("stepfunctions").stop_execution(executionArn=arn)
        stack.wait(arn)
    outcome = roll_back(stack, f"job-{project_id}")
    assert outcome.clean
    assert outcome.text.startswith("rolled_back: ")
    assert problems_of_rolled_back(look(stack, project_id)) == []


def test_a_project_is_sacred_even_when_a_restored_ledger_takes_its_job_for_running(
    stack: Stack, project_id: str
) -> None:
    payload = payload_for(project_id, *SERVICES)
    ran = run(stack, payload)
    status = sql.SQL("UPDATE control_plane.jobs SET status = {} WHERE job_id = {}")
    execute(stack, status.format(sql.Literal("running"), sql.Literal(ran.job_id)), "control_plane")
    try:
        outcome = roll_back(stack, ran.job_id)
        assert (outcome.clean, outcome.text.partition(": ")[0]) == (False, "JobClosed")
    finally:
        execute(stack, status.format(sql.Literal("succeeded"), sql.Literal(ran.job_id)), "control_plane")
    assert problems_of_provisioned(look(stack, project_id), payload) == []
