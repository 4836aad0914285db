"""Rolls a job back, after an execution that was stopped or a rollback that left something.

A rollback is an execution of the job's own state machine, on a laptop stack as in an account.
"""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from local.errors import HumanError

LONGEST_NAME = 80
POLL_SECONDS = 0.2
CLEAN = ("rolled_back", "failed")
"""How "Record failure" closes a job of which nothing is left. One that "failed" had made nothing."""


@dataclass(frozen=True)
class Outcome:
    """How a rollback ended: as "Record failure" closed the job, or with the error of an execution that closed none."""

    status: str
    cause: str

    @property
    def clean(self) -> bool:
        """Whether nothing is left of the job."""
        return self.status in CLEAN


def execution_name(job_id: str) -> str:
    """Returns a new name for an execution that rolls a job back: Step Functions takes each name once."""
    prefix, suffix = "rollback-", f"-{uuid.uuid4().hex[:8]}"
    return f"{prefix}{job_id[: LONGEST_NAME - len(prefix) - len(suffix)]}{suffix}"


def start_rollback(step_functions: Any, state_machine_arn: str, job_id: str) -> str:
    """Starts an execution that rolls a job back and returns its ARN. Raises HumanError when it cannot be started."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = step_functions.start_execution(
            stateMachineArn=state_machine_arn,
            name=execution_name(job_id),
            input=json.dumps({"rolls_back": job_id}),
        )
    except (BotoCoreError, ClientError) as error:
        raise HumanError(f"{state_machine_arn} cannot be started: {error}") from error
    return str(answer["executionArn"])


def wait_for_outcome(step_functions: Any, execution_arn: str) -> Outcome:
    """Returns how a rollback ended, once it has. It goes on by itself when nobody waits for it."""
    while (described := step_functions.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS)
    recorded = _recorded(step_functions, execution_arn)
    if recorded is not None:
        return Outcome(recorded["outcome"], recorded["cause"])
    return Outcome(described.get("error") or described["status"], described.get("cause") or "")


def roll_back_again(step_functions: Any, state_machine_arn: str, job_id: str) -> Outcome:
    """Rolls a job back and returns how that ended. The client is boto3's, of a laptop stack or of an account.

    A job whose execution is running or has succeeded is left alone: the outcome is JobClosed.
    """
    return wait_for_outcome(step_functions, start_rollback(step_functions, state_machine_arn, job_id))


def print_rollback(step_functions: Any, state_machine_arn: str, job_id: str, console: Console) -> bool:
    """Rolls a job back, prints the execution that does it and how it ended, and returns whether nothing is left."""
    arn = start_rollback(step_functions, state_machine_arn, job_id)
    console.print(f"Execution {arn.rpartition(':')[2]}", soft_wrap=True)
    outcome = wait_for_outcome(step_functions, arn)
    console.print(f"{outcome.status}: {outcome.cause}" if outcome.cause else outcome.status, soft_wrap=True)
    return outcome.clean


def _recorded(step_functions: Any, execution_arn: str) -> dict[str, Any] | None:
    """Returns what "Record failure" answered, or None when the execution never came so far."""
    pages = step_functions.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for event in (event for page in pages for event in page["events"]):
        output = json.loads(event.get("stateExitedEventDetails", {}).get("output") or "null")
        if isinstance(output, dict) and "recorded" in output:
            recorded: dict[str, Any] = output["recorded"]
            return recorded
    return None
