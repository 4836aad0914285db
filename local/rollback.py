"""Runs the compensations of a job once more: after an execution that was stopped, or a rollback that left something."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.errors import HumanError

FIRST_COMPENSATION = "Revoke API keys"
STOPPED: dict[str, Any] = {}
"""What a state machine that was stopped has caught."""


@dataclass(frozen=True)
class Outcome:
    """How the job stands now: rolled_back, rollback_incomplete, failed or provisioned, and why in one line."""

    status: str
    cause: str


def roll_back_again(step_functions: Any, functions: Any, state_machine_arn: str, job_id: str) -> Outcome:
    """Invokes the compensations of the deployed state machine in their order and returns what "Record failure" says.

    The clients are boto3's, of a laptop stack or of an account. A compensation that fails does not keep the next from
    running, as in the state machine. A job that has succeeded is left alone by all of them. Raises HumanError while
    the execution runs, and when the outcome could not be recorded.
    """
    execution_arn = f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{job_id}"
    failure = STOPPED
    try:
        described = step_functions.describe_execution(executionArn=execution_arn)
    except step_functions.exceptions.ExecutionDoesNotExist:
        # Step Functions forgets an execution after 90 days and a laptop stack when it stops; the ledger does not.
        described = {"status": "FORGOTTEN", "input": "{}"}
    else:
        failure = _recorded_failure(step_functions, execution_arn) or STOPPED
    if described["status"] == "RUNNING":
        raise HumanError(f"the execution of {job_id} still runs: it rolls back by itself, or stop it first")
    if described["status"] == "SUCCEEDED":
        # The ledger would say so too, unless it was restored from a backup that knows the job as running.
        return Outcome("provisioned", "")
    definition = json.loads(step_functions.describe_state_machine(stateMachineArn=state_machine_arn)["definition"])
    event = {
        "job_id": job_id,
        "execution_arn": execution_arn,
        "payload": json.loads(described["input"]),
        "failure": failure,
    }
    *compensations, record_failure = _compensations(definition["States"])
    for function in compensations:
        _invoke(functions, function, event)
    failed, answer = _invoke(functions, record_failure, event)
    if failed:
        raise HumanError(f"the outcome was not recorded: {answer.get('errorType')}: {answer.get('errorMessage')}")
    return Outcome(answer["outcome"], answer["cause"])


def _compensations(states: dict[str, Any]) -> Iterator[str]:
    """Yields the function of each state of the rollback chain, in order; that of "Record failure" is the last."""
    name = FIRST_COMPENSATION
    while states[name]["Type"] == "Task":
        yield states[name]["Parameters"]["FunctionName"]
        name = states[name]["Next"]


def _recorded_failure(step_functions: Any, execution_arn: str) -> dict[str, Any] | None:
    """Returns what the execution was about to record when it ended, or None when it never came so far."""
    pages = step_functions.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for event in (event for page in pages for event in page["events"]):
        parameters = event.get("taskScheduledEventDetails", {}).get("parameters", "{}")
        failure: dict[str, Any] | None = json.loads(parameters).get("Payload", {}).get("failure")
        if failure:
            return failure
    return None


def _invoke(functions: Any, function: str, event: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    answer = functions.invoke(FunctionName=function, Payload=json.dumps(event))
    return "FunctionError" in answer, json.loads(answer["Payload"].read())
