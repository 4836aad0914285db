"""How far a job is, from the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioning import control_plane


@dataclass(frozen=True)
class StepProgress:
    """One stage of a job."""

    stage: str
    status: str
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    error_type: str | None
    error_message: str | None


@dataclass(frozen=True)
class Progress:
    """A job and its stages. The percentage never goes back, and is 100 only when the project is active."""

    job_id: str
    project_id: str | None
    status: str
    stage: str
    percent: int
    attempts: int
    error_type: str | None
    error_message: str | None
    leftovers: list[str]
    started_at: datetime | None
    completed_at: datetime | None
    steps: list[StepProgress]


@dataclass(frozen=True)
class JobSummary:
    """A job in one line."""

    job_id: str
    project_id: str | None
    status: str
    stage: str
    percent: int
    attempts: int


@dataclass(frozen=True)
class Resource:
    """Something that a job created, or was about to create when it is not confirmed. Never a secret itself."""

    kind: str
    name: str
    confirmed: bool = True


@dataclass(frozen=True)
class Resources:
    """What there is because of a job: what the registry holds now, and what its compensations removed."""

    existing: list[Resource]
    removed: list[str]


def get_progress(job_id: str) -> Progress | None:
    """Returns where the job stands, or None when the control plane does not know it. Raises ControlPlaneUnavailable."""
    control = control_plane.connect()
    with control.transaction():
        job = control.fetch_one("find_job", job_id=job_id)
        steps = control.fetch_all("find_steps", job_id=job_id)
    if job is None:
        return None
    return Progress(
        job_id=job_id,
        project_id=job["project_id"],
        status=job["status"],
        stage=job["current_stage"],
        percent=job["progress_percent"],
        attempts=job["attempts"],
        error_type=job["last_error_type"],
        error_message=job["last_error_message"],
        leftovers=job["leftovers"],
        started_at=job["started_at"],
        completed_at=job["completed_at"],
        steps=[StepProgress(**step) for step in steps],
    )


def get_summaries(job_ids: Sequence[str]) -> dict[str, JobSummary]:
    """Returns those of the jobs that the control plane knows, by their id. Raises ControlPlaneUnavailable."""
    rows = control_plane.connect().fetch_all("find_jobs", job_ids=list(job_ids))
    return {row["job_id"]: JobSummary(**row) for row in rows}


def get_resources(job_id: str) -> Resources:
    """Returns what the job has created and what was removed again. Raises ControlPlaneUnavailable."""
    control = control_plane.connect()
    with control.transaction():
        existing = control.fetch_all("find_resources", job_id=job_id)
        removed = control.fetch_all("find_removed", job_id=job_id)
    return Resources([Resource(**row) for row in existing], [row["removed"] for row in removed])
