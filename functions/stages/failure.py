"""The end of a failed job: record its cause, and report it in one line with what was rolled back and what is left."""

import json
from typing import Any, NamedTuple

from provisioning import control_plane, endings, errors, queries
from provisioning.control_plane import BEGIN, COMMIT, ControlPlane
from provisioning.error_types import ErrorType
from provisioning.errors import ControlPlaneUnavailable, JobClosed, ProvisioningError
from provisioning.execution import FORGOTTEN
from provisioning.handler import handler
from provisioning.ledger.runner import Event, LambdaContext, Output, reporting
from provisioning.observability import count_failed_job, count_fault
from provisioning.stage import Ending, Stage
from provisioning.tenant import holding

QUERIES = queries.load(__file__)

EXECUTION_STOPPED = "ExecutionStopped"
"""The error of an execution without a failure: a stopped one raises nothing that could be caught."""


class Failure(NamedTuple):
    """What went wrong: the stage, the error name of the execution, the ledger's error type, and a one-line message."""

    stage: str
    error: str
    error_type: ErrorType
    message: str


@handler()
def record_failure(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, execution_arn, payload, tenant_id, forgotten, failure}.

    `failure` is {stage: {Error, Cause}}; an empty one means that the execution was stopped or, if it is forgotten, no
    longer exists.

    Return {outcome, error, cause, result}. The outcome is rolled_back, rollback_incomplete or failed; succeeded, with
    the job's result, if the job had succeeded before the failure; or refused, with nothing touched, if the execution
    only has the name of another job.
    """
    del context
    with reporting(str(Ending.FAILED), str(event["job_id"]), ControlPlaneUnavailable):
        closed = close(control_plane.connect(), event)
    if closed["outcome"] != "succeeded":
        count_failed_job(event["job_type"], closed["outcome"])
        # A rollback of a stopped job closes what another version may have left.
        if closed["error"] != EXECUTION_STOPPED and errors.is_fault(closed["error"]):
            count_fault("job")
    return closed


class _Job(NamedTuple):
    status: str
    result: dict[str, Any] | None
    opened: dict[str, Any]
    project: dict[str, Any] | None


class _Step(NamedTuple):
    stage: str
    error_type: str
    error_message: str


def close(control: ControlPlane, event: Event) -> Output:
    """Close the job in one transaction; idempotent."""
    from provisioning.jobs.registry import project_of

    job_id = event["job_id"]
    # An execution that an older version has started does not say whether the job's own is forgotten.
    caught = read_failure(event["failure"], is_forgotten=event.get("forgotten") is True)
    with control.transaction():
        job = control.fetch_one(_Job, BEGIN, QUERIES["find_job"], job_id=job_id)
        if job is not None and (answer := _refusal(job, caught, event) or _success(job)):
            control.execute(COMMIT)
            return answer
        # A job that reached no cluster holds nothing that has to be removed. That is only known of one that failed in
        # its first stage: the ledger may have lost that another stage has begun.
        unused = [holding.QUERIES["record_unused"]] if caught.stage == Stage.INITIALIZING else []
        before = _with_lost_records(endings.find(control, job_id, *unused), caught, event["tenant_id"])
        failure = _first_failure(control, before, caught)
        outcome = _outcome(before)
        ending = endings.find(
            control,
            job_id,
            QUERIES["record_closed"],
            COMMIT,
            job_type=event["job_type"],
            project_id=before.project_id or project_of(event["job_type"], event["payload"]),
            execution_arn=event["execution_arn"],
            failed_stage=failure.stage or None,
            status=outcome,
            current_stage=str(Ending.ROLLED_BACK if outcome == "rolled_back" else Ending.FAILED),
            error_type=str(failure.error_type),
            error_message=failure.message,
            leftovers=json.dumps(before.leftovers),
            undoable=endings.undoable(event["job_type"]),
        )
    ending = ending._replace(payload=event["payload"])
    return {"outcome": outcome, "error": caught.error, "cause": ending.text, "result": {}}


def _refusal(job: _Job, failure: Failure, event: Event) -> Output | None:
    """Return the answer for an execution that has only the name of this job; None if the job is its own.

    An execution whose first stage has succeeded has proved that the job is its own. A rollback names a job, which has
    to be of its type.
    """
    from provisioning.jobs.reused_names import is_own

    if failure.error == EXECUTION_STOPPED:
        if job.opened["job_type"] == event["job_type"]:
            return None
        message = f"The job is of type {job.opened['job_type']}: its own state machine rolls it back"
        return _refused(JobClosed.__name__, f"{message}. Nothing was touched.")
    if failure.stage != Stage.INITIALIZING:
        return None
    if failure.error == JobClosed.__name__:
        return _refused(failure.error, f"{failure.stage} failed: {failure.message}. Nothing was touched.")
    if is_own(event["job_type"], event["payload"], job.opened, job.project or {}):
        return None
    reason = "The execution has the name of another job. Nothing was touched."
    return _refused(failure.error, f"{failure.stage} failed: {failure.message}. {reason}")


def _success(job: _Job) -> Output | None:
    return (
        {"outcome": "succeeded", "error": "", "cause": "", "result": job.result} if job.status == "succeeded" else None
    )


def _refused(error: str, cause: str) -> Output:
    return {"outcome": "refused", "error": error, "cause": cause, "result": {}}


def _with_lost_records(before: endings.Ending, caught: Failure, tenant_id: str | None) -> endings.Ending:
    """Return the ending with what the control plane has lost.

    A job that failed after it was opened has run its compensations: without any record of them nobody knows what they
    did.
    """
    is_lost = tenant_id is not None and caught.stage != Stage.INITIALIZING
    if before.is_opened or before.is_compensated or not is_lost:
        return before
    lost = f"tenant {tenant_id}: the control plane has lost the records of this job"
    return before._replace(unknown=sorted({*before.unknown, lost}))


def _first_failure(control: ControlPlane, before: endings.Ending, caught: Failure) -> Failure:
    """Return the first cause of the failure: what closed or stopped the execution is not the cause."""
    if before.has_ended and before.message is not None:
        # A repeated rollback changes what is left, not why the job failed.
        error_type = ErrorType(str(before.error_type))
        return caught._replace(stage=before.stage or "", error_type=error_type, message=before.message)
    if caught.error not in (JobClosed.__name__, EXECUTION_STOPPED):
        return caught
    step = control.fetch_one(_Step, QUERIES["find_failed_step"], job_id=before.job_id, message=caught.message)
    if step is None or caught.error == EXECUTION_STOPPED:
        return caught._replace(stage="" if step is None else step.stage)
    return caught._replace(stage=step.stage, error_type=ErrorType(step.error_type), message=step.error_message)


def read_failure(caught: dict[str, dict[str, str]], *, is_forgotten: bool = False) -> Failure:
    """Translate what Step Functions caught into our terms.

    Fail takes no name that begins with "States.", so a timeout becomes StageTimedOut and any other StateMachineFault; a
    Lambda that died without an error of its own becomes StageCrashed.
    """
    if not caught:
        message = endings.stopped_message(FORGOTTEN["status"] if is_forgotten else "ABORTED", None, None)
        return Failure("", EXECUTION_STOPPED, ErrorType.EXECUTION_STOPPED, message)
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
        return endings.one_line(str(json.loads(cause)["errorMessage"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it gave no message"


def _outcome(before: endings.Ending) -> str:
    if before.leftovers:
        return "rollback_incomplete"
    return "rolled_back" if before.is_opened and before.is_rolled_back else "failed"
