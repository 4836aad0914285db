"""Record the jobs whose execution ended without closing them: it was aborted, ran out of time, or died without a word.

Step Functions' event about the end of an execution says so; its form and its limits:
https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html. It is delivered best effort, so it
may be missing, late, out of order or repeated: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-states.html
"""

import json
from typing import Any, NamedTuple

from provisioning import control_plane, endings, queries
from provisioning.errors import ErrorType
from provisioning.jobs.registry import job_type_of, project_of
from provisioning.ledger.runner import Event, LambdaContext, Output
from provisioning.observability import count_failed_job, logger

QUERIES = queries.load(__file__)
STOPPED = ("ABORTED", "TIMED_OUT", "FAILED")
"""The statuses of an execution that did not succeed. Most that FAILED have closed their job themselves."""


class _Stopped(NamedTuple):
    job_id: str


def record_stopped_executions(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take the event and return {stopped}: the job if this event stopped it.

    Whenever the event arrives, a job that has ended stays as it is, and a rollback closes its job. A job of another
    type, or of 89 days before, that has the execution's name stays as it is, too. Attempts that are still in flight can
    record nothing any more. An execution whose job the control plane does not know gets a row too, so that a first
    stage in flight cannot open the job. Raise ControlPlaneUnavailable.
    """
    del context
    detail = event["detail"]
    job_type, payload = job_type_of(detail["stateMachineArn"]), _payload(detail)
    # The execution of a rollback is not a job. It ends as FAILED, and the job that it rolls back has its own event.
    is_rollback = isinstance(payload, dict) and isinstance(payload.get("rolls_back"), str)
    if job_type is None or is_rollback or detail["status"] not in STOPPED:
        return {"stopped": []}
    job_id = str(detail["name"])
    message = endings.stopped_message(detail["status"], detail.get("error"), detail.get("cause"))
    facts = {
        "job_type": job_type,
        "project_id": project_of(job_type, payload),
        "execution_arn": detail["executionArn"],
        "error_type": str(ErrorType.EXECUTION_STOPPED),
        "error_message": message,
        "execution_started_at": detail["startDate"] / 1000,
    }
    stopped = control_plane.connect().fetch_all(_Stopped, QUERIES["record_stopped"], job_id=job_id, **facts)
    if stopped:
        log = logger()
        log.set_correlation_id(job_id)
        log.warning("job stopped", reason=message)
        count_failed_job(job_type, "stopped")
    return {"stopped": [row.job_id for row in stopped]}


def _payload(detail: dict[str, Any]) -> object:
    """Return the execution's input, None if the event leaves it out: Step Functions does so above 248 KB."""
    try:
        return json.loads(detail.get("input") or "null")
    except (ValueError, RecursionError):
        return None
