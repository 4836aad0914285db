"""What a redrive of an execution does, in each way that one can end.

moto has no RedriveExecution. It continues at the step that did not succeed, with that step's input and the definition
of the execution (https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html), so here a
state machine that begins with that step takes its place.
"""

import json
import uuid
from collections.abc import Iterator

import pytest

from local.stack import Stack
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.executions.running import SERVICES, Ran, ended, history, payload_for
from tests.executions.test_rollbacks import roll_back, stopped_before_finalize
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned

pytestmark = pytest.mark.slow


def redrive(stack: Stack, job_id: str) -> Ran:
    """Run what is left of a job's execution from the step at which it was stopped."""
    client = stack.client("stepfunctions")
    events = history(stack, f"{stack.state_machine_arn.replace(':stateMachine:', ':execution:')}:{job_id}")
    (stopped,) = [one["stateEnteredEventDetails"] for one in events if "stateEnteredEventDetails" in one][-1:]
    definition = json.loads(client.describe_state_machine(stateMachineArn=stack.state_machine_arn)["definition"])
    rest = client.create_state_machine(
        name=f"redriven-{uuid.uuid4().hex[:8]}",
        definition=json.dumps({**definition, "StartAt": stopped["name"]}),
        roleArn="arn:aws:iam::123456789012:role/local",
    )["stateMachineArn"]
    started = client.start_execution(stateMachineArn=rest, name=job_id, input=stopped["input"])
    return ended(stack, started["executionArn"])


def test_a_job_that_was_recorded_as_stopped_rolls_itself_back(stack: Stack, project_id: str) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    assert look(stack, project_id).jobs[0]["status"] == "stopped"
    assert redrive(stack, job_id).status == "FAILED"
    assert problems_after_last_look(stack, project_id) == []
    assert look(stack, project_id).jobs[0]["status"] == "rolled_back"


def test_a_job_that_was_rolled_back_since_stays_as_it_is(stack: Stack, project_id: str) -> None:
    job_id = stopped_before_finalize(stack, project_id)
    roll_back(stack, job_id)
    before = look(stack, project_id)
    assert redrive(stack, job_id).status == "FAILED"
    after = look(stack, project_id)
    assert (after.jobs[0]["status"], after.tenants) == ("rolled_back", before.tenants)


def test_a_job_whose_stop_nobody_has_recorded_continues(stack: Stack, project_id: str) -> None:
    with stack.runtime.replaced("RecordStoppedExecutionsFunction", lambda *_: {"stopped": []}):
        job_id = stopped_before_finalize(stack, project_id)
    assert look(stack, project_id).jobs[0]["status"] == "running"
    assert redrive(stack, job_id).status == "SUCCEEDED"
    assert problems_of_provisioned(look(stack, project_id), payload_for(project_id, *SERVICES)) == []


def tasks_without_a_catch(machine: dict[str, object]) -> Iterator[str]:
    for name, state in shipped.states(machine):
        caught = [error for one in state.get("Catch", []) for error in one["ErrorEquals"]]
        if state["Type"] in ("Task", "Parallel") and "States.ALL" not in caught:
            yield name


@pytest.mark.parametrize("job_type", DECLARATIONS)
def test_an_execution_fails_only_in_a_fail_state(job_type: JobType) -> None:
    """A branch of a Parallel has no Catch of its own: the Parallel catches for it."""
    machine = shipped.definition(job_type)
    branched = {
        name
        for state in machine["States"].values()
        for branch in state.get("Branches", [])
        for name, _ in shipped.states(branch)
    }
    assert set(tasks_without_a_catch(machine)) <= branched
    assert {state["Type"] for state in machine["States"].values() if state.get("End")} <= {"Succeed"}
