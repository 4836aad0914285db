"""The event about the end of an execution, as Step Functions sends it."""

import json
import os
from typing import Any

from local.template import REPOSITORY
from provisioning.jobs.registry import state_machine_of
from tests.stages.jobs import Context, StagedJob
from upkeep.stopped_executions import record_stopped_executions

SAMPLE = json.loads((REPOSITORY / "events" / "functions" / "record_stopped_executions.json").read_text())


def event_of(job: StagedJob, status: str = "ABORTED", **detail: Any) -> dict[str, Any]:
    """The event about the end of a job's execution."""
    machine = state_machine_of(os.environ["STATE_MACHINE_ARN"], job.job_type)
    own = {
        "executionArn": f"arn:{job.job_id}",
        "stateMachineArn": machine,
        "name": job.job_id,
        "status": status,
        "input": json.dumps(job.payload),
    }
    return {**SAMPLE, "detail": {**SAMPLE["detail"], **own, **detail}}


def stop(job: StagedJob, status: str = "ABORTED", **detail: Any) -> list[str]:
    """Deliver the event and return the jobs that it stopped."""
    stopped: list[str] = record_stopped_executions(event_of(job, status, **detail), Context())["stopped"]
    return stopped
