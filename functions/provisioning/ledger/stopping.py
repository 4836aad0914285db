"""Record a job whose execution ended without closing it."""

from typing import TYPE_CHECKING, NamedTuple

from provisioning import control_plane, endings, queries
from provisioning.error_types import ErrorType
from provisioning.observability import count_failed_job, logger

if TYPE_CHECKING:
    from provisioning.jobs.declaration import JobType

QUERIES = queries.load(__file__)
STOPPED = ("ABORTED", "TIMED_OUT", "FAILED")
"""The statuses of an execution that did not succeed. Most that FAILED have closed their job themselves."""


class End(NamedTuple):
    """How an execution ended, as Step Functions says."""

    execution_arn: str
    status: str
    """One of STOPPED, or that of execution.FORGOTTEN."""
    error: str | None
    cause: str | None
    started_at: float
    """In seconds since 1970; 0 if Step Functions has forgotten it."""


class _Stopped(NamedTuple):
    job_id: str


def record_stopped(job_id: str, job_type: "JobType", project_id: str | None, end: End) -> bool:
    """Record that an execution has ended and return whether its job is stopped by that.

    A job that has ended stays as it is, and a rollback closes a stopped one. A job of another type, or of 89 days
    before, that has the execution's name stays as it is, too. Attempts that are still in flight can record nothing any
    more. A job that the control plane does not know gets a row too, so that a first stage in flight cannot open it.
    Raise ControlPlaneUnavailable.
    """
    message = endings.stopped_message(end.status, end.error, end.cause)
    facts = {
        "job_type": job_type,
        "project_id": project_id,
        "execution_arn": end.execution_arn,
        "error_type": str(ErrorType.EXECUTION_STOPPED),
        "error_message": message,
        "execution_started_at": end.started_at,
    }
    return control_plane.connect().fetch_one(_Stopped, QUERIES["record_stopped"], job_id=job_id, **facts) is not None


def report_stopped(job_id: str, job_type: "JobType", end: End) -> None:
    """Log and count a job that record_stopped has stopped, in a Lambda: alarms read both."""
    log = logger()
    log.thread_safe_append_keys(correlation_id=job_id)
    log.warning("job stopped", reason=endings.stopped_message(end.status, end.error, end.cause))
    count_failed_job(job_type, "stopped")
