"""What the page does: start a job, stop one, try a failed one again. Each raises ConsoleError in one line."""

import json
import uuid
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from console.errors import ConsoleError
from console.executions import Execution, Executions, in_one_line
from provisioning.errors import InvalidPayload
from provisioning.jobs.payload import parse_payload

STOPPED = "StoppedInConsole"


class RefusedField(ConsoleError):
    """A payload that breaks a rule."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        """As the payload names it: "api_keys.count"; "payload" when it is all of it."""
        self.rule = rule


def check_payload(document: object) -> None:
    """Raise RefusedField for a payload that "Verify project" would refuse, by the same rules."""
    try:
        parse_payload(document)
    except InvalidPayload as refused:
        field, _, rule = str(refused).partition(": ")
        raise RefusedField(field, rule) from refused


def start(executions: Executions, document: dict[str, Any]) -> str:
    """Start an execution with a payload and return its name, which is the job's id."""
    check_payload(document)
    return _start(executions, json.dumps(document), document["project_id"])


def stop(executions: Executions, execution: Execution, who: str = "the console") -> None:
    """Stop a running execution. What its job has created stays until the job is rolled back."""
    _call(executions.client.stop_execution, executionArn=execution.arn, error=STOPPED, cause=f"stopped in {who}")


def redrives(execution: Execution, job_status: str | None) -> bool:
    """Return whether trying again means to go on where the execution was, instead of starting another.

    A rolled back job takes no more attempts, and one that failed has been rolled back or has nothing to go on with.
    """
    return execution.redrivable and execution.status in {"ABORTED", "TIMED_OUT"} and job_status in {None, "running"}


def retry(executions: Executions, execution: Execution, job_status: str | None) -> str:
    """Try a failed job again and return the name of the execution that does it."""
    if redrives(execution, job_status):
        _call(executions.client.redrive_execution, executionArn=execution.arn)
        return execution.name
    return _start(executions, execution.input, execution.project_id or "job")


def _start(executions: Executions, text: str, prefix: str) -> str:
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    _call(executions.client.start_execution, stateMachineArn=executions.state_machine_arn, input=text, name=name)
    return name


def _call(operation: Any, **request: Any) -> None:
    try:
        operation(**request)
    except (ClientError, BotoCoreError) as error:
        raise ConsoleError(in_one_line(error)) from error
