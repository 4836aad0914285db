"""Record the jobs whose execution ended without closing them: it was aborted, ran out of time, or died without a word.

Step Functions' event about the end of an execution says so; its form and its limits:
https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html. It is delivered best effort, so it
may be missing, late, out of order or repeated: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-states.html
"""

import json
from typing import Any

from provisioning.jobs.registry import job_type_of, project_of
from provisioning.ledger.runner import Event, LambdaContext, Output
from provisioning.ledger.stopping import STOPPED, End, record_stopped, report_stopped


def record_stopped_executions(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take the event and return {stopped}: the job if this event stopped it.

    It does not matter when the event arrives, or how often (ledger/stopping.py). Raise ControlPlaneUnavailable.
    """
    del context
    detail = event["detail"]
    job_type, payload = job_type_of(detail["stateMachineArn"]), _payload(detail)
    # The execution of a rollback is not a job. It ends as FAILED, and the job that it rolls back has its own event.
    is_rollback = isinstance(payload, dict) and isinstance(payload.get("rolls_back"), str)
    if job_type is None or is_rollback or detail["status"] not in STOPPED:
        return {"stopped": []}
    job_id, said = str(detail["name"]), (detail["status"], detail.get("error"), detail.get("cause"))
    end = End(detail["executionArn"], *said, detail["startDate"] / 1000)
    if not record_stopped(job_id, job_type, project_of(job_type, payload), end):
        return {"stopped": []}
    report_stopped(job_id, job_type, end)
    return {"stopped": [job_id]}


def _payload(detail: dict[str, Any]) -> object:
    """Return the execution's input, None if the event leaves it out: Step Functions does so above 248 KB."""
    try:
        return json.loads(detail.get("input") or "null")
    except (ValueError, RecursionError):
        return None
