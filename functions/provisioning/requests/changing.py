"""Stop a job, roll one back, or retry one: for a request, which is remembered, or for the command line without one."""

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from provisioning import control_plane, endings, queries
from provisioning.endings import Ending
from provisioning.errors import JobInProgress
from provisioning.execution import FORGOTTEN
from provisioning.jobs import executions
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS, StepFunctions
from provisioning.ledger.stopping import STOPPED, End, record_stopped, report_stopped
from provisioning.requests import starting
from provisioning.requests.refusals import JobNotEligible, JobNotFound
from provisioning.requests.remembering import Request, Requested, Wanted, remembered

QUERIES = queries.load(__file__)
LONGEST_STOP_SECONDS = 10.0
"""Step Functions ends an execution at once, but DescribeExecution may say so later: it is eventually consistent."""
POLL_SECONDS = 0.2
STOPPED_BY_REQUEST = "StoppedByRequest"
CLOSED = ("failed", "rolled_back", "rollback_incomplete")
WAYS_ON = {
    "pending": "wait for its end",
    "running": "wait for its end, or run provision stop {job}",
    "stopped": "run provision rollback {job} first",
    "succeeded": "there is nothing to {change}",
}
"""What to do instead of a change that a job's status does not admit."""


class Changed(NamedTuple):
    """The answer to a request that stops a job or rolls it back."""

    job_id: str
    job_type: JobType
    rollback: str | None
    """The name of the execution that rolls the job back; None if none was asked for."""
    is_repeated: bool


class Known(NamedTuple):
    """A job, or a request that has asked for it; its payload is None if it was never opened."""

    job_id: str
    job_type: JobType
    project_id: str | None
    payload: dict[str, Any] | None

    def wanted(self, rolls_back: str, body: object) -> Wanted:
        """Return what a request asks for whose execution rolls the job back."""
        return Wanted(self.job_type, self.project_id, "", body, rolls_back)


def stop_job(
    job_id: str, request: Request | None = None, *, rolls_back: bool = True, at: StepFunctions | None = None
) -> Changed:
    """Stop a job's execution, record that, and start the rollback unless told not to.

    Raise JobNotFound, JobNotEligible for a job that has ended, JobInProgress, which names the job, if its execution
    takes longer to end, after which the request is to be repeated, and what starting.start_job raises if Step Functions
    cannot be called.
    """
    known, recorded = _known(job_id), endings.find(control_plane.connect(), job_id)
    outcome = _told(known, recorded, at)
    wanted = known.wanted(job_id, {"stops": job_id, "and_rolls_back": rolls_back})
    with _remembered(request, wanted) as (name, is_repeated):
        if not is_repeated:
            _check(job_id, "stop", outcome, "pending", "running", "stopped")
    if not recorded.has_ended:
        _end(known, outcome, request, at)
        outcome = _outcome(known, at)
    # Also for a repetition: the job may have succeeded before its execution was stopped.
    _check(job_id, "stop", outcome, "stopped", *CLOSED)
    if not rolls_back:
        return Changed(job_id, known.job_type, None, is_repeated)
    starting.start_once(known.job_type, {"rolls_back": job_id}, name, at)
    return Changed(job_id, known.job_type, name, is_repeated)


def roll_back_job(job_id: str, request: Request | None = None, *, at: StepFunctions | None = None) -> Changed:
    """Start an execution that rolls a job back.

    Raise JobNotFound, JobInProgress, which names the job, for one that runs, JobNotEligible for one that has succeeded,
    and what starting.start_job raises if the execution cannot be started.
    """
    known, recorded = _known(job_id), endings.find(control_plane.connect(), job_id)
    outcome = _told(known, recorded, at)
    with _remembered(request, known.wanted(job_id, {"rolls_back": job_id})) as (name, is_repeated):
        if not is_repeated:
            _check(job_id, "roll back", outcome, "stopped", *CLOSED)
    if recorded.outcome is None:
        # It has ended before it opened: a rollback's execution knows neither its project nor why it ended.
        _end(known, outcome, request, at)
    starting.start_once(known.job_type, {"rolls_back": job_id}, name, at)
    return Changed(job_id, known.job_type, name, is_repeated)


def retry_job(job_id: str, request: Request, *, at: StepFunctions | None = None) -> Requested:
    """Start a new job with the payload of one that failed, which replaces it if something of it is left.

    Raise JobInProgress, which names the job that runs, this one or another of its project, what find_retried raises,
    and what starting.start_job raises.
    """
    job_type, payload = find_retried(job_id, at)
    excludes = DECLARATIONS[job_type].excludes(payload["project_id"])
    wanted = Wanted(job_type, payload["project_id"], excludes, {"retries": job_id})
    with remembered(request, wanted) as (control, found):
        if found.is_new:
            starting.check_admitted(control, job_type, payload, found)
    return starting.ensure(job_type, payload, found, at)


def find_retried(job_id: str, at: StepFunctions | None = None) -> tuple[JobType, dict[str, Any]]:
    """Return the type and the payload with which a job is retried.

    Raise JobNotFound, JobInProgress for one that runs, and JobNotEligible for one that was stopped and not rolled back,
    has succeeded, or was never opened.
    """
    known = _known(job_id)
    outcome = _outcome(known, at)
    _check(job_id, "retry", outcome, *CLOSED)
    if known.payload is None:
        control = control_plane.connect()
        following = endings.find_told(control, job_id, executions.describe_if_possible).next_command
        said = f"the job {job_id} was never opened, so its payload is not stored: {following}"
        raise JobNotEligible(said, job_id)
    return known.job_type, payload_of_retry(known.payload, job_id, outcome)


def payload_of_retry(payload: Mapping[str, Any], job_id: str, job_status: str | None) -> dict[str, Any]:
    """Return the payload for the retry of a job that has this status in the ledger.

    If the job's rollback was incomplete, the payload names the job that the new one replaces. A job that was rolled
    back has already replaced the one that its payload names. A plan was of the job that failed.
    """
    kept = {name: value for name, value in payload.items() if name != "retries" or job_status != "rolled_back"}
    kept.pop("plan_id", None)
    return kept | ({"retries": job_id} if job_status == "rollback_incomplete" else {})


@contextmanager
def _remembered(request: Request | None, wanted: Wanted) -> Iterator[tuple[str, bool]]:
    """Yield the name of the rollback's execution, and whether the request is repeated; one that is None never is."""
    if request is None:
        yield executions.rollback_name(str(wanted.rolls_back)), False
        return
    with remembered(request, wanted) as (_, found):
        yield found.job_id, not found.is_new


def _known(job_id: str) -> Known:
    known = control_plane.connect().fetch_one(Known, QUERIES["find_known"], job_id=job_id)
    if known is None:
        raise JobNotFound(f"there is no job {job_id}")
    return known


def _outcome(known: Known, at: StepFunctions | None) -> str:
    """Return how a job ended, "running" or "pending", asking its execution if the ledger does not know of an end."""
    return _told(known, endings.find(control_plane.connect(), known.job_id), at)


def _told(known: Known, ending: Ending, at: StepFunctions | None) -> str:
    with starting.translated():
        if ending.outcome is None:
            execution_arn = executions.arn_of(known.job_type, known.job_id, at)
            ending = endings.unopened(ending, known.job_type, known.project_id, execution_arn)
        return str(endings.tell(ending, lambda arn: executions.describe(arn, at)).outcome)


def _check(job_id: str, change: str, outcome: str, *admitted: str) -> None:
    """Raise JobInProgress or JobNotEligible if the outcome is none of those."""
    if outcome in admitted:
        return
    way_on = WAYS_ON.get(outcome, "it has ended").format(job=shlex.quote(job_id), change=change)
    said = f"the job {job_id} is {outcome}: {way_on}"
    raise (JobInProgress if outcome in endings.UNFINISHED else JobNotEligible)(said, job_id)


def _end(known: Known, outcome: str, request: Request | None, at: StepFunctions | None) -> None:
    """Stop the execution of a job that the ledger calls unfinished, and record its end, whoever has caused it."""
    cause = f"by {request.caller.principal if request is not None else 'the command line'}"
    with starting.translated():
        arn, until = executions.arn_of(known.job_type, known.job_id, at), time.monotonic() + LONGEST_STOP_SECONDS
        described = executions.describe(arn, at)
        if described["status"] in ("RUNNING", FORGOTTEN["status"]):
            executions.stop(arn, STOPPED_BY_REQUEST, cause, at)
        while described["status"] == "RUNNING" and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            described = executions.describe(arn, at)
    if described is FORGOTTEN and outcome in endings.UNFINISHED:
        # Never started: its row keeps a first stage that is still to come from opening the job.
        described = {"status": "ABORTED", "error": STOPPED_BY_REQUEST, "cause": cause}
    if described["status"] == "RUNNING":
        raise JobInProgress(
            f"the execution of the job {known.job_id} is about to end: repeat the request", known.job_id
        )
    if described["status"] in (*STOPPED, FORGOTTEN["status"]):
        # No other execution has the name of one that is not there, however old the job is.
        began = described["startDate"].timestamp() if "startDate" in described else 0.0
        end = End(arn, described["status"], described.get("error"), described.get("cause"), began)
        if record_stopped(known.job_id, known.job_type, known.project_id, end) and request is not None:
            report_stopped(known.job_id, known.job_type, end)
