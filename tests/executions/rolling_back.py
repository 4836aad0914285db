"""Roll a job back by an execution of its own state machine, as whoever may only call Step Functions does."""

import json
import time
from dataclasses import dataclass
from typing import Any

from provisioning.jobs.declaration import JobType
from provisioning.jobs.executions import roll_back
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import StepFunctions, job_type_of

POLL_SECONDS = 0.2
CLEAN = ("rolled_back", "failed")
"""The outcomes of "Record failure" that leave nothing of a job. A job that "failed" had made nothing."""


@dataclass(frozen=True)
class Outcome:
    """How a rollback ended: as "Record failure" closed the job, or with the error of an execution that did not."""

    status: str
    text: str
    """The job's ending, or the error with its cause."""

    @property
    def clean(self) -> bool:
        """Whether nothing is left of the job."""
        return self.status in CLEAN


def start_rollback(step_functions: Any, state_machine_arn: str, job_id: str, job_type: JobType | None = None) -> str:
    """Start an execution that rolls a job back and return its ARN.

    A job of unknown type is assumed to belong to the given state machine.
    """
    known = job_type or job_type_of(state_machine_arn) or PROVISION_PROJECT.job_type
    return roll_back(known, job_id, StepFunctions(step_functions, state_machine_arn)).execution_arn


def wait_for_outcome(step_functions: Any, execution_arn: str) -> Outcome:
    """Wait for a rollback and return how it ended. It continues even if nobody waits for it."""
    while (described := step_functions.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS)
    recorded = _recorded(step_functions, execution_arn)
    if recorded is not None:
        return Outcome(recorded["outcome"], recorded["cause"])
    status = described.get("error") or described["status"]
    return Outcome(status, ": ".join(said for said in (status, described.get("cause")) if said))


def roll_back_again(
    step_functions: Any, state_machine_arn: str, job_id: str, job_type: JobType | None = None
) -> Outcome:
    """Roll a job back and return how that ended. The client is boto3's, for a laptop stack or an account.

    A job whose execution is running or has succeeded is left untouched: the outcome is JobClosed.
    """
    return wait_for_outcome(step_functions, start_rollback(step_functions, state_machine_arn, job_id, job_type))


def _recorded(step_functions: Any, execution_arn: str) -> dict[str, Any] | None:
    """Return what "Record failure" answered, or None if the execution did not reach it."""
    pages = step_functions.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for event in (event for page in pages for event in page["events"]):
        output = json.loads(event.get("stateExitedEventDetails", {}).get("output") or "null")
        if isinstance(output, dict) and "recorded" in output:
            recorded: dict[str, Any] = output["recorded"]
            return recorded
    return None
