"""The progress of each stage: from the ledger, with the next attempt from the history; or only from the history."""

from collections.abc import Mapping, Set

from console.job_view import JobView
from console.retrying import Retry
from console.timeline import StateRun, Status
from provisioning.endings import one_line
from provisioning.ledger.progress import Progress, StepProgress
from provisioning.stage import Stage

STATUSES = {Status.WAITING: "pending", Status.RETRYING: "failed"}


def stage_progress(shown: JobView) -> Progress:
    """Return what `provision status` shows; without a ledger, the same derived from the history."""
    if shown.progress is not None:
        return shown.progress
    execution = shown.execution
    states, stages = execution.timeline.states, execution.timeline.stages.states
    return Progress(
        job_id=execution.name,
        project_id=execution.project_id or None,
        status=shown.outcome.lower(),
        stage=shown.stage,
        percent=shown.percent,
        attempts=shown.attempts,
        error_type=execution.error or None,
        error_message=execution.cause or None,
        leftovers=[],
        created_at=execution.started_at,
        started_at=execution.started_at,
        completed_at=execution.stopped_at,
        steps=[_step(stage, states.get(name), execution.not_wanted) for stage, name in stages.items()],
    )


def next_attempts(shown: JobView) -> Mapping[str, Retry]:
    """Return the next attempt of every stage that waits for one, by the stage, and of every other state by its name:
    a compensation, or the record of the failure.
    """
    timeline = shown.execution.timeline
    return {
        timeline.stages.stage_of(name) or name: run.retry
        for name, run in timeline.states.items()
        if run.retry is not None
    }


def failures_beside_stages(shown: JobView) -> Mapping[str, str]:
    """Return how the last attempt failed at each state that waits for another and runs no stage, by its name."""
    timeline = shown.execution.timeline
    return {
        name: one_line(f"{run.last.error}: {run.last.cause}")
        for name, run in timeline.states.items()
        if run.retry is not None and run.last is not None and timeline.stages.stage_of(name) is None
    }


def _step(stage: Stage, run: StateRun | None, not_wanted: Set[str]) -> StepProgress:
    skipped = run is not None and (
        run.status is Status.SKIPPED or (run.name in not_wanted and run.status is not Status.FAILED)
    )
    if run is None or run.last is None or skipped:
        return StepProgress(str(stage), "skipped" if skipped else "pending", 0, *[None] * 4)
    last = run.last
    return StepProgress(
        stage=str(stage),
        status=STATUSES.get(run.status, str(run.status)),
        attempt=last.number,
        started_at=last.started_at,
        completed_at=last.ended_at,
        error_type=last.error or None,
        error_message=last.cause or None,
    )
