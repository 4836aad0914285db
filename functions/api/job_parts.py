"""The parts of a job as the API shows it: its stages, its failed compensations and its ending."""

from datetime import datetime

from pydantic import BaseModel, Field

from provisioning import endings
from provisioning.ledger.progress import StepProgress, get_failed_compensations


class Step(BaseModel):
    """A stage of a job, with its attempts and the error of the last that failed."""

    stage: str
    status: str
    attempts: int
    started_at: datetime | None
    completed_at: datetime | None
    error_type: str | None
    error_message: str | None


class FailedCompensation(BaseModel):
    """The latest failure of a compensation that is not done yet."""

    stages: list[str] = Field(description="What it undoes.")
    error_type: str
    error_message: str
    failed_at: datetime


class Ending(BaseModel):
    """How a job has ended, in the words that every view has."""

    outcome: str
    text: str = Field(description="The one line: what happened, what was undone, what is left, what to do next.")
    error_type: str | None
    message: str | None = Field(description="The first cause.")
    stage: str | None
    undone: list[str]
    left: list[str]
    unknown: list[str] = Field(description="What may be left.")
    last_look: datetime | None = Field(description="When the last look at its secret is due.")
    next_command: str | None


def failed_compensations_of(job_id: str) -> list[FailedCompensation]:
    """Return how the compensations of a job that are not done yet have failed last."""
    return [FailedCompensation(**one._asdict()) for one in get_failed_compensations(job_id)]


def step_of(step: StepProgress) -> Step:
    """Return a stage as the API shows it."""
    return Step(
        stage=step.stage,
        status=step.status,
        attempts=step.attempt,
        started_at=step.started_at,
        completed_at=step.completed_at,
        error_type=step.error_type,
        error_message=step.error_message,
    )


def ending_of(found: endings.Ending) -> Ending:
    """Return how a job has ended, as the API shows it."""
    return Ending(
        outcome=str(found.outcome),
        text=found.text,
        error_type=found.error_type,
        message=found.message,
        stage=found.stage,
        undone=found.undone,
        left=found.left,
        unknown=found.unknown,
        last_look=found.last_look,
        next_command=None if found.outcome == "succeeded" else found.next_command,
    )
