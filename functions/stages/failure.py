"""The end of a failed job: record its cause, and report it in one line with what was rolled back and what is left."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioning import control_plane, errors, queries
from provisioning.control_plane import BEGIN, COMMIT, ControlPlane
from provisioning.errors import ControlPlaneUnavailable, ErrorType, JobClosed, ProvisioningError
from provisioning.ledger.runner import Event, LambdaContext, Output, reporting
from provisioning.observability import count_failed_job
from provisioning.stage import Ending, Stage
from provisioning.tenant import holding

if TYPE_CHECKING:
    from provisioning.jobs.declaration import JobType

QUERIES = queries.load(__file__)

LONGEST_MESSAGE = 300
EXECUTION_STOPPED = "ExecutionStopped"
"""The error of an execution without a failure: a stopped one raises nothing that could be caught."""


class Failure(NamedTuple):
    """What went wrong: the stage, the error name of the execution, the ledger's error type, and a one-line message."""

    stage: str
    error: str
    error_type: ErrorType
    message: str


def record_failure(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, execution_arn, payload, failure: {stage: {Error, Cause}}}.

    An empty failure means that the execution was stopped.

    Return {outcome, error, cause, result}; the outcome is rolled_back, rollback_incomplete, failed, or succeeded if the
    job had succeeded before the failure, and then the result is its result.
    """
    del context
    with reporting(str(Ending.FAILED), str(event["job_id"]), ControlPlaneUnavailable):
        closed = close(control_plane.connect(), event)
    if closed["outcome"] != "succeeded":
        count_failed_job(event["job_type"], closed["outcome"])
    return closed


class _Job(NamedTuple):
    project_id: str | None
    status: str
    last_error_type: str | None
    last_error_message: str | None
    rollback_started_at: datetime | None
    result: dict[str, Any] | None


class _Step(NamedTuple):
    stage: str
    attempt: int
    error_type: str | None
    error_message: str | None


class _Leftover(NamedTuple):
    leftover: str
    is_known: bool


class _Removed(NamedTuple):
    removed: str


class _LastLook(NamedTuple):
    look_again_at: datetime | None


def close(control: ControlPlane, event: Event) -> Output:
    """Close the job in one transaction; idempotent."""
    job_id = event["job_id"]
    failure = read_failure(event["failure"])
    with control.transaction():
        # Sent before anything is read: a job that reached no cluster holds nothing that has to be removed. That is only
        # known of one that failed in its first stage: the ledger may have lost that another stage has begun.
        unused = [holding.QUERIES["record_unused"]] if failure.stage == Stage.INITIALIZING else []
        job = control.fetch_one(_Job, BEGIN, *unused, QUERIES["find_job"], job_id=job_id)
        if job is not None and job.status == "succeeded":
            control.execute(COMMIT)
            return {"outcome": "succeeded", "error": "", "cause": "", "result": job.result}
        facts = {"job_id": job_id, "tenant_id": event["tenant_id"], "failed_stage": failure.stage}
        leftovers = control.fetch_all(_Leftover, QUERIES["find_leftovers"], **facts)
        outcome = _outcome(job, leftovers)
        failure, step = _first_failure(control, job_id, job, failure)
        control.execute(
            QUERIES["record_closed"],
            COMMIT,
            job_id=job_id,
            job_type=event["job_type"],
            project_id=job.project_id if job is not None else _project_id(event["job_type"], event["payload"]),
            execution_arn=event["execution_arn"],
            failed_stage=failure.stage,
            status=outcome,
            current_stage=str(Ending.ROLLED_BACK if outcome == "rolled_back" else Ending.FAILED),
            error_type=str(failure.error_type),
            error_message=failure.message,
            leftovers=json.dumps([row.leftover for row in leftovers]),
        )
    removed = [row.removed for row in control.fetch_all(_Removed, QUERIES["find_removed"], job_id=job_id)]
    last_look = control.fetch_one(_LastLook, QUERIES["find_last_look"], job_id=job_id)
    cause = _cause(failure, step, removed, leftovers, last_look.look_again_at if last_look is not None else None)
    return {"outcome": outcome, "error": failure.error, "cause": cause, "result": {}}


def _first_failure(
    control: ControlPlane, job_id: str, job: _Job | None, failure: Failure
) -> tuple[Failure, _Step | None]:
    """Return the first cause of the failure, and its stage: what closed or stopped the execution is not the cause."""
    if job is not None and job.last_error_type is not None and job.status != "running":
        # A repeated rollback changes what is left, not why the job failed.
        message = str(job.last_error_message)
        failure = failure._replace(error_type=ErrorType(job.last_error_type), message=message)
    secondary = failure.error in (JobClosed.__name__, EXECUTION_STOPPED)
    facts = {"stage": "" if secondary else failure.stage, "message": failure.message}
    step = control.fetch_one(_Step, QUERIES["find_failed_step"], job_id=job_id, **facts)
    if failure.error == JobClosed.__name__ and step is not None and step.error_type is not None:
        failure = failure._replace(error_type=ErrorType(step.error_type), message=str(step.error_message))
    return failure, step


def read_failure(caught: dict[str, dict[str, str]]) -> Failure:
    """Translate what Step Functions caught into our terms.

    Fail takes no name that begins with "States.", so a timeout becomes StageTimedOut and any other StateMachineFault; a
    Lambda that died without an error of its own becomes StageCrashed.
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


def _outcome(job: _Job | None, leftovers: list[_Leftover]) -> str:
    if leftovers:
        return "rollback_incomplete"
    return "rolled_back" if job is not None and job.rollback_started_at is not None else "failed"


def _project_id(job_type: "JobType", payload: object) -> str | None:
    from provisioning.jobs.registry import DECLARATIONS

    try:
        return DECLARATIONS[job_type].parse(payload).project_id
    except ProvisioningError:
        return None


def _cause(
    failure: Failure, step: _Step | None, removed: list[str], leftovers: list[_Leftover], last_look: datetime | None
) -> str:
    said = [f"{_where(failure, step)}: {failure.message}."]
    said.append(f"Rolled back: {', '.join(dict.fromkeys(removed))}." if removed else "Nothing had to be rolled back.")
    if there := [row.leftover for row in leftovers if row.is_known]:
        said.append(f"Still there: {', '.join(there)}.")
    if unknown := [row.leftover for row in leftovers if not row.is_known]:
        said.append(f"Not known whether anything is left: {', '.join(unknown)}.")
    if not leftovers:
        due = f"; the last look at its secret is due at {last_look:%Y-%m-%dT%H:%M:%SZ}" if last_look is not None else ""
        said.append(f"Nothing is left{due}.")
    return " ".join(said)


def _where(failure: Failure, step: _Step | None) -> str:
    if step is None:
        return f"{failure.stage} failed" if failure.stage else "no stage failed"
    attempt = f"on attempt {step.attempt}" if step.attempt else "before its first attempt"
    return f"{step.stage} failed {attempt}"
