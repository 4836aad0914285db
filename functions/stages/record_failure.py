"""The end of a failed job: its cause is recorded and said in one line, with what was rolled back and what is left."""

import json
from typing import NamedTuple

from provisioning import control_plane, errors
from provisioning.control_plane import ControlPlane, Row
from provisioning.errors import ControlPlaneUnavailable, ErrorType, JobClosed, ProvisioningError
from provisioning.job_registry import JobType
from provisioning.observability import count_failed_job
from provisioning.stage import Stage
from provisioning.stage_runner import Event, LambdaContext, Output, reporting

LONGEST_MESSAGE = 300
EXECUTION_STOPPED = "ExecutionStopped"
"""How an execution ends that left no failure: one that is stopped raises nothing that the state machine could catch."""


class Failure(NamedTuple):
    """What went wrong: the stage, the name that the execution ends with, the ledger's type, and one line."""

    stage: str
    error: str
    error_type: ErrorType
    message: str


def record_failure(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, execution_arn, payload, failure: {stage: {Error, Cause}}}; no failure in it means
    that the execution was stopped.

    Returns {outcome, error, cause, result}; the outcome is rolled_back, rollback_incomplete, failed, or provisioned
    when the job had succeeded before the failure, and then the result is its result.
    """
    del context
    with reporting(str(Stage.FAILED), str(event["job_id"]), ControlPlaneUnavailable):
        closed = close(control_plane.connect(), event)
    if closed["outcome"] != "provisioned":
        count_failed_job(closed["outcome"])
    return closed


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
            failure = failure._replace(error_type=ErrorType(job["last_error_type"]), message=job["last_error_message"])
        # What closed the job is the cause, not the stage that found it closed.
        stage = "" if failure.error == JobClosed.__name__ else failure.stage
        step = control.fetch_one("find_failed_step", job_id=job_id, stage=stage, message=failure.message)
        if failure.error == JobClosed.__name__ and step is not None:
            failure = failure._replace(error_type=ErrorType(step["error_type"]), message=step["error_message"])
        control.execute(
            "close_job",
            job_id=job_id,
            job_type=str(JobType.PROVISION_PROJECT),
            project_id=job["project_id"] if job is not None else _project_id(event["payload"]),
            execution_arn=event["execution_arn"],
            failed_stage=failure.stage,
            status=outcome,
            current_stage=str(Stage.ROLLED_BACK if outcome == "rolled_back" else Stage.FAILED),
            error_type=str(failure.error_type),
            error_message=failure.message,
            leftovers=json.dumps(leftovers),
        )
        removed = [row["removed"] for row in control.fetch_all("find_removed", job_id=job_id)]
    cause = _cause(failure, step, removed, leftovers)
    return {"outcome": outcome, "error": failure.error, "cause": cause, "result": {}}


def read_failure(caught: dict[str, dict[str, str]]) -> Failure:
    """Returns what Step Functions caught in our terms.

    A name that begins with "States." may not be given to Fail, so a timeout becomes StageTimedOut and any other
    StateMachineFault; a Lambda that died without an error of its own becomes StageCrashed.
    """
    if not caught:
        message = "its execution was stopped, and the job rolled back by hand"
        return Failure("", EXECUTION_STOPPED, ErrorType.UNKNOWN_ERROR, message)
    ((stage, failure),) = caught.items()
    name = failure.get("Error", "")
    if name in ("States.Timeout", "States.HeartbeatTimeout", "Sandbox.Timedout"):
        return Failure(stage, "StageTimedOut", ErrorType.TIMEOUT, "it did not end within its time")
    known = getattr(errors, name, None)
    if isinstance(known, type) and issubclass(known, ProvisioningError):
        return Failure(stage, name, known.error_type, _message(failure.get("Cause", "")))
    if name.startswith("States."):
        name, message = "StateMachineFault", f"the state machine raised {name[7:]}"
    elif name.startswith(("Runtime.", "Lambda.", "Sandbox.")):
        name, message = "StageCrashed", f"its Lambda ended with {name}"
    else:
        name, message = name or "UnknownError", "its Lambda ended with an error it does not name"
    return Failure(stage, name, ErrorType.UNKNOWN_ERROR, message)


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
    from provisioning.payload import parse_payload

    try:
        return parse_payload(payload).project_id
    except ProvisioningError:
        return None


def _cause(failure: Failure, step: Row | None, removed: list[str], leftovers: list[str]) -> str:
    rolled_back = f"Rolled back: {', '.join(removed)}." if removed else "Nothing had to be rolled back."
    left = f"Still there: {', '.join(leftovers)}." if leftovers else "Nothing is left."
    return f"{_where(failure, step)}: {failure.message}. {rolled_back} {left}"


def _where(failure: Failure, step: Row | None) -> str:
    if step is None:
        return f"{failure.stage} failed" if failure.stage else "no stage failed"
    attempt = f"on attempt {step['attempt']}" if step["attempt"] else "before its first attempt"
    return f"{step['stage']} failed {attempt}"
