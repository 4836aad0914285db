"""The end of a failed job: its cause is recorded and said in one line, with what was rolled back and what is left."""

import json
from dataclasses import dataclass
from typing import Any

from provisioning import control_plane, errors
from provisioning.control_plane import ControlPlane, Row
from provisioning.errors import ControlPlaneUnavailable, ErrorType, JobClosed, ProvisioningError
from provisioning.job_registry import JobType
from provisioning.payload import parse_payload
from provisioning.stage import Stage
from provisioning.stage_runner import Event, LambdaContext, Output, reporting

LONGEST_MESSAGE = 300
EXECUTION_STOPPED = "ExecutionStopped"
"""The failure that whoever rolls back a job names when its execution left none: an execution that is stopped raises
nothing that the state machine could catch.
"""


@dataclass(frozen=True)
class Failure:
    """What went wrong: the name that the execution ends with, the ledger's type, and one line."""

    error: str
    error_type: ErrorType
    message: str


def record_failure(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, execution_arn, payload, failure: {Error, Cause}}.

    Returns {outcome, error, cause, result}; the outcome is rolled_back, rollback_incomplete, failed, or provisioned
    when the job had succeeded before the failure, and then the result is its result.
    """
    del context
    with reporting(str(Stage.FAILED), str(event["job_id"]), ControlPlaneUnavailable):
        return close(control_plane.connect(), event)


def close(control: ControlPlane, event: Event) -> Output:
    """Closes the job in one transaction; closed already, it is closed the same way again."""
    job_id = event["job_id"]
    failure = read_failure(event["failure"])
    with control.transaction():
        job = control.fetch_one("find_job", job_id=job_id)
        if job is not None and job["status"] == "succeeded":
            return {"outcome": "provisioned", "error": "", "cause": "", "result": job["result"]}
        leftovers = [row["leftover"] for row in control.fetch_all("find_leftovers", job_id=job_id)]
        outcome = _outcome(job, leftovers)
        if job is not None and job["status"] in ("rolled_back", "rollback_incomplete", "failed"):
            # A repeated rollback changes what is left, not why the job failed.
            failure = Failure(failure.error, ErrorType(job["last_error_type"]), job["last_error_message"])
        step = control.fetch_one("find_failed_step", job_id=job_id, message=failure.message)
        if failure.error == JobClosed.__name__ and step is not None:
            # What closed the job is the cause, not that a later attempt found it closed.
            failure = Failure(failure.error, ErrorType(step["error_type"]), step["error_message"])
        control.execute(
            "close_job",
            job_id=job_id,
            job_type=str(JobType.PROVISION_PROJECT),
            project_id=job["project_id"] if job is not None else _project_id(event["payload"]),
            execution_arn=event["execution_arn"],
            status=outcome,
            current_stage=str(Stage.ROLLED_BACK if outcome == "rolled_back" else Stage.FAILED),
            error_type=str(failure.error_type),
            error_message=failure.message,
            leftovers=json.dumps(leftovers),
        )
        removed = [row["removed"] for row in control.fetch_all("find_removed", job_id=job_id)]
    cause = _cause(failure, step, removed, leftovers)
    return {"outcome": outcome, "error": failure.error, "cause": cause, "result": {}}


def read_failure(caught: dict[str, Any]) -> Failure:
    """Returns what Step Functions caught in our terms.

    A name that begins with "States." may not be given to Fail, so a timeout becomes StageTimedOut and any other
    StateMachineFault; a Lambda that died without an error of its own becomes StageCrashed.
    """
    name = str(caught.get("Error", ""))
    if name in ("States.Timeout", "States.HeartbeatTimeout", "Sandbox.Timedout"):
        return Failure("StageTimedOut", ErrorType.TIMEOUT, "it did not end within its time")
    if name == EXECUTION_STOPPED:
        return Failure(name, ErrorType.UNKNOWN_ERROR, "its execution was stopped, and the job rolled back by hand")
    if name.startswith("States."):
        return Failure("StateMachineFault", ErrorType.UNKNOWN_ERROR, f"the state machine raised {name[7:]}")
    known = getattr(errors, name, None)
    if isinstance(known, type) and issubclass(known, ProvisioningError):
        return Failure(name, known.error_type, _message(caught.get("Cause", "")))
    if name.startswith(("Runtime.", "Lambda.", "Sandbox.")):
        return Failure("StageCrashed", ErrorType.UNKNOWN_ERROR, f"its Lambda ended with {name}")
    return Failure(name or "UnknownError", ErrorType.UNKNOWN_ERROR, "its Lambda ended with an error it does not name")


def _message(cause: str) -> str:
    try:
        message = json.loads(cause)["errorMessage"]
    except (ValueError, KeyError, TypeError):
        return "it gave no message"
    return " ".join(str(message).split())[:LONGEST_MESSAGE]


def _outcome(job: Row | None, leftovers: list[str]) -> str:
    if leftovers:
        return "rollback_incomplete"
    return "rolled_back" if job is not None and job["rollback_started_at"] is not None else "failed"


def _project_id(payload: object) -> str | None:
    try:
        return parse_payload(payload).project_id
    except ProvisioningError:
        return None


def _cause(failure: Failure, step: Row | None, removed: list[str], leftovers: list[str]) -> str:
    where = f"{step['stage']} failed on attempt {step['attempt']}" if step else "no stage was begun that could fail"
    rolled_back = f"Rolled back: {', '.join(removed)}." if removed else "Nothing had to be rolled back."
    left = f"Still there: {', '.join(leftovers)}." if leftovers else "Nothing is left."
    return f"{where}: {failure.message}. {rolled_back} {left}"
