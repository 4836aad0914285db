"""The actions of the page: start, stop, roll back and retry jobs. Each raises ConsoleError in one line."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from console.errors import ConsoleError
from console.executions import Execution, Executions, in_one_line
from console.ledger import Ledger
from provisioning import control_plane, endings
from provisioning.errors import InvalidPayload
from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.executions import roll_back
from provisioning.jobs.registry import DECLARATIONS, StepFunctions, get_job_handler, job_type_of
from provisioning.jobs.rules import Problem, problems
from provisioning.requests import changing

STOPPED = "StoppedInConsole"

Answer = TypeVar("Answer")


class RefusedPayload(ConsoleError):
    """A payload that breaks rules."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def check_payload(declared: Declaration, document: object) -> None:
    """Raise RefusedPayload if "Verify project" would refuse the payload; the rules are the same."""
    if found := problems(declared.schema, document):
        raise RefusedPayload(*found)


def start(executions: Executions, job_type: JobType, document: dict[str, Any]) -> str:
    """Start a job of a type with a payload and return its id, which is its execution's name."""
    check_payload(DECLARATIONS[job_type], document)
    return _start(executions, job_type, document, document["project_id"])


def stop(executions: Executions, execution: Execution, who: str = "the console") -> None:
    """Stop a running execution. What its job has created is kept until the job is rolled back."""
    _call(executions.client.stop_execution, executionArn=execution.arn, error=STOPPED, cause=f"stopped in {who}")


def stop_and_roll_back(executions: Executions, ledger: Ledger, execution: Execution) -> str:
    """Stop a running job, record that, and start its rollback, as the API's stop does.

    Return the name of the execution that rolls it back.
    """

    def change() -> str:
        if endings.find(control_plane.connect(), execution.name).execution_arn != execution.arn:
            raise ConsoleError("the ledger has no job of this execution, so there is nothing to roll back")
        stop(executions, execution)
        return str(changing.stop_job(execution.name, at=_place(executions)).rollback)

    return ledger.change(change)


def redrives(execution: Execution, job_status: str | None) -> bool:
    """Return whether a retry resumes the execution where it stopped, instead of starting another.

    A rolled back job accepts no more attempts, and a failed one has been rolled back or has nothing to resume.
    """
    return execution.redrivable and execution.status in {"ABORTED", "TIMED_OUT"} and job_status in {None, "running"}


def retry(executions: Executions, execution: Execution, job_status: str | None) -> str:
    """Retry a failed job and return the name of the execution that does so: the same one, or a new job's.

    For an execution that was a rollback, start another rollback of that job; a job that was stopped accepts nothing
    but its rollback.
    """
    if redrives(execution, job_status):
        _call(executions.client.redrive_execution, executionArn=execution.arn)
        return execution.name
    job_type, payload = job_type_of(execution.arn), json.loads(execution.input)
    if job_type is None or not isinstance(payload, dict):
        raise ConsoleError("no job type accepts its input, so it cannot be retried")
    if isinstance(rolled_back := payload.get("rolls_back"), str):
        return str(_call(roll_back, job_type, rolled_back, _place(executions)).job_id)
    if job_status == "stopped":
        return start_rollback(executions, execution)
    payload = changing.payload_of_retry(payload, execution.name, job_status)
    return _start(executions, job_type, payload, execution.project_id or "job")


def start_rollback(executions: Executions, execution: Execution) -> str:
    """Start the rollback of a job and return the name of the execution that does it."""
    job_type = job_type_of(execution.arn)
    if job_type is None:
        raise ConsoleError("it is of no job type, so nothing is known that could be rolled back")
    return str(_call(roll_back, job_type, execution.name, _place(executions)).job_id)


def _start(executions: Executions, job_type: JobType, payload: Mapping[str, Any], prefix: str) -> str:
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    _call(get_job_handler(job_type), payload, name, _place(executions))
    return name


def _place(executions: Executions) -> StepFunctions:
    return StepFunctions(executions.client, executions.state_machine_arn)


def _call(operation: Callable[..., Answer], *arguments: Any, **request: Any) -> Answer:
    try:
        return operation(*arguments, **request)
    except InvalidPayload as refused:
        raise ConsoleError(str(refused)) from refused
    except (ClientError, BotoCoreError) as error:
        raise ConsoleError(in_one_line(error)) from error
