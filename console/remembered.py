"""A job whose execution Step Functions has forgotten: drawn from the ledger's steps on the deployed definition."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from starlette.exceptions import HTTPException

from console import formatting
from console.boxes import Mark
from console.definition import Document
from console.drawing import drawing
from console.executions import Executions
from console.setting import Setting
from console.view import Part, View
from provisioning.endings import Ending
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from provisioning.ledger.progress import Progress, StepProgress

POLL_SECONDS = 5.0


def remembered_page(setting: Setting, name: str) -> View:
    """Return the page of a job that only the ledger knows. Raise HTTPException if it does not."""
    remembered = setting.sources.remembered(name)
    if remembered is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    record, ending = remembered
    existing, removed = (record.resources.existing, record.resources.removed) if record.resources else ([], [])
    left = {"existing": existing, "removed": removed, "ending": ending, "ended": ending is not None}
    return View(
        title=name,
        template="forgotten",
        parts={
            "title": Part("forgotten", {"name": name, "progress": record.progress, "ending": ending}),
            "picture": Part("remembered", _picture(setting.sources.executions, record.progress, ending)),
            "ledger": Part("ledger", {"progress": record.progress, "problem": record.problem}),
            "resources": Part("resources", left),
        },
        poll_seconds=POLL_SECONDS,
    )


def _picture(executions: Executions, progress: Progress | None, ending: Ending | None) -> dict[str, Any]:
    job_type = ending.job_type if ending is not None else None
    if job_type is None or progress is None:
        return {"definition": None}
    definition = _deployed(executions, state_machine_of(executions.state_machine_arn, job_type))
    return {"drawing": drawing, "definition": definition, "marks": _marks(DECLARATIONS[job_type], progress)}


def _deployed(executions: Executions, arn: str) -> Document | None:
    """Return the definition that a state machine has now, or None: the page is complete without a drawing."""
    try:
        document: Document = json.loads(executions.client.describe_state_machine(stateMachineArn=arn)["definition"])
    except (ClientError, BotoCoreError):
        return None
    return document


def _marks(declared: Declaration, progress: Progress) -> Mapping[str, Mark]:
    steps = {step.stage: step for step in progress.steps}
    return {state: _mark(steps[stage]) for stage, state in declared.states.items() if stage in steps}


def _mark(step: StepProgress) -> Mark:
    css_class = formatting.status_class(step.status)
    attempt = f" on attempt {step.attempt}" if step.attempt > 1 else ""
    return Mark(css_class, f"{formatting.SIGNS.get(css_class, '○')} {formatting.status_word(step.status)}{attempt}")
