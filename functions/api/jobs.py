"""Jobs: list them, and get one with its stages and its ending, at once or when it has ended."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, Field

from api.job_parts import Ending, FailedCompensation, Step, ending_of, failed_compensations_of, step_of
from api.pages import USUAL_PAGE, Cursor, Limit, Next, cursor_of, page, place_of
from api.projects import Status
from provisioning import control_plane, endings, listing
from provisioning.execution import FORGOTTEN
from provisioning.jobs import executions
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger.progress import Progress, get_progress
from provisioning.listing import ListedJob, Place
from provisioning.requests import remembering
from provisioning.requests.refusals import JobNotFound
from provisioning.requests.remembering import Pending
from provisioning.stage import Stage

LONGEST_WAIT_SECONDS = 25
"""API Gateway waits 30 seconds at most for an answer:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""
SECONDS_TO_ASK = 5
"""Kept of the longest wait for asking about an execution: Step Functions may not answer (executions.py)."""
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_DESCRIPTIONS = 2.0
"""Between looks at an execution: Step Functions answers an account so often each second, and the ledger does not."""
STARTED_BY_HAND = "StartExecution"
LATEST_TO_BE_FOUND = timedelta(seconds=60)
"""After its request. DescribeExecution is eventually consistent; one that is not found later does not exist."""

JobId = Annotated[str, Path(min_length=1, max_length=80)]
Project = Annotated[
    str | None, Query(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="Only those of this project.")
]
Name = Annotated[str | None, Query(pattern="^[a-z_]{1,40}$", description="Only those of this type.")]
Outcome = Annotated[str | None, Query(pattern="^[a-z_]{1,40}$", description="Only those that have ended like this.")]
Wait = Annotated[
    int, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for the job's end before the answer.")
]


class JobSummary(BaseModel):
    """A job in a list. One that was refused has no project if its payload names none."""

    job_id: str
    job_type: str
    project_id: str | None
    status: str
    outcome: str | None = Field(description="The status of a job that has ended.")
    stage: str
    percent: int
    created_at: datetime
    completed_at: datetime | None


class JobPage(BaseModel):
    """A page of jobs, the newest first."""

    jobs: list[JobSummary]
    next_cursor: Next


class Job(BaseModel):
    """A job with its stages and, if it has ended, its ending."""

    job_id: str
    job_type: str | None
    project_id: str | None
    status: str
    outcome: str | None = Field(description="The status of a job that has ended.")
    stage: str
    percent: int
    attempts: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    started_by: str | None = Field(description=f'The principal whose request started it, or "{STARTED_BY_HAND}".')
    steps: list[Step]
    failed_compensations: list[FailedCompensation] = Field(description="Of a job that has not ended.")
    ending: Ending | None


def list_jobs(
    project_id: Project = None,
    job_type: Name = None,
    status: Status = None,
    outcome: Outcome = None,
    limit: Limit = USUAL_PAGE,
    cursor: Cursor = None,
) -> JobPage:
    """Return the jobs that meet all of the filters, the newest first.

    The filters compare with the ledger. Of jobs that it calls unfinished, the answer has their executions' word.
    """
    control = control_plane.connect()
    found = listing.find_jobs(
        control,
        limit,
        project_id=project_id,
        job_type=job_type,
        status=status,
        outcome=outcome,
        after=place_of(cursor),
    )
    rows, is_cut = page(found, limit)
    following = cursor_of(Place(rows[-1].created_at, rows[-1].job_id)) if is_cut else None
    told = listing.outcomes(control, ((row.job_id, row.status) for row in rows), executions.describe_if_possible)
    return JobPage(jobs=[_summary(row, told[row.job_id]) for row in rows], next_cursor=following)


def get_job(job_id: JobId, wait: Wait = 0) -> Job:
    """Return a job with its stages and, if it has ended, its ending.

    A job is pending until it opens, whether a request has asked for it or its execution was started by hand. The name
    of a rollback's execution leads to the job that it rolls back, which is running until that execution has ended. With
    `wait` the answer comes when the job ends, or after so many seconds, the last five of 25 being for asking about its
    execution. Waiting holds no transaction
    open.
    """
    until = time.monotonic() + min(wait, LONGEST_WAIT_SECONDS - SECONDS_TO_ASK)
    pending: Pending | None = None
    while True:
        progress = get_progress(job_id)
        if progress is None and pending is None:
            pending = remembering.find_pending(job_id) or _unopened(job_id)
            # Between both looks the job may have opened.
            if pending is None and (progress := get_progress(job_id)) is None:
                raise JobNotFound(f"there is no job {job_id}")
        if progress is None and pending is not None and pending.rolls_back is not None:
            return _rolled_back(pending, pending.rolls_back, until)
        has_ended = progress is not None and progress.status not in endings.UNFINISHED
        if has_ended or time.monotonic() >= until:
            return _job(progress) if progress is not None else _pending(cast("Pending", pending))
        time.sleep(min(SECONDS_BETWEEN_LOOKS, max(0.0, until - time.monotonic())))


def _summary(row: ListedJob, outcome: str) -> JobSummary:
    return JobSummary(
        job_id=row.job_id,
        job_type=row.job_type,
        project_id=row.project_id,
        status=outcome,
        outcome=None if outcome in endings.UNFINISHED else outcome,
        stage=row.current_stage,
        percent=row.progress_percent,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )


def _unopened(job_id: str) -> Pending | None:
    """Return the job that the running execution of this name is going to open.

    Step Functions is not asked about another type once it has not answered: each answer may take seconds.
    """
    for job_type in DECLARATIONS:
        found = executions.describe_if_possible(executions.arn_of(JobType(job_type), job_id))
        if found is None:
            return None
        if found["status"] == "RUNNING":
            return Pending(job_id, job_type, None, None, STARTED_BY_HAND, None, found["startDate"])
    return None


def _rolled_back(rollback: Pending, job_id: str, until: float) -> Job:
    """Return a job when the execution that rolls it back has ended, or as it is at that time."""
    arn = executions.arn_of(JobType(rollback.job_type), rollback.job_id)
    is_recent = datetime.now(UTC) - rollback.created_at < LATEST_TO_BE_FOUND
    unended = ("RUNNING", FORGOTTEN["status"]) if is_recent else ("RUNNING",)
    while is_running := (executions.describe_if_possible(arn) or {}).get("status", "RUNNING") in unended:
        if time.monotonic() >= until:
            break
        time.sleep(min(SECONDS_BETWEEN_DESCRIPTIONS, max(0.0, until - time.monotonic())))
    progress = get_progress(job_id)
    if progress is None:
        raise JobNotFound(f"the control plane does not know the job {job_id}")
    found = _job(progress)
    if is_running:
        found.status, found.outcome, found.ending = "running", None, None
        found.failed_compensations = failed_compensations_of(job_id)
    return found


def _job(progress: Progress) -> Job:
    found = endings.find_told(control_plane.connect(), progress.job_id, executions.describe_if_possible)
    if found.has_ended and progress.status in endings.UNFINISHED:
        # It has ended since its stages were read.
        progress = get_progress(progress.job_id) or progress
    progress = progress.told(found)
    return Job(
        job_id=progress.job_id,
        job_type=found.job_type,
        project_id=progress.project_id,
        status=str(found.outcome),
        outcome=found.outcome if found.has_ended else None,
        stage=progress.stage,
        percent=progress.percent,
        attempts=progress.attempts,
        created_at=progress.created_at,
        started_at=progress.started_at,
        completed_at=progress.completed_at,
        started_by=progress.started_by,
        steps=[step_of(step) for step in progress.steps],
        failed_compensations=[] if found.has_ended else failed_compensations_of(progress.job_id),
        ending=ending_of(found) if found.has_ended else None,
    )


def _pending(found: Pending) -> Job:
    """Return a job that the ledger did not know. Its execution may have ended before it opened, without a word."""
    ending = endings.find(control_plane.connect(), found.job_id)
    if ending.outcome is not None and (progress := get_progress(found.job_id)) is not None:
        return _job(progress)
    if found.principal != STARTED_BY_HAND:
        arn = executions.arn_of(JobType(found.job_type), found.job_id)
        ending = endings.unopened(ending, JobType(found.job_type), found.project_id, arn)
        ending = endings.tell(ending, executions.describe_if_possible)
    return Job(
        job_id=found.job_id,
        job_type=found.job_type,
        project_id=found.project_id,
        status=str(ending.outcome) if ending.has_ended else "pending",
        outcome=ending.outcome if ending.has_ended else None,
        stage=Stage.INITIALIZING,
        percent=0,
        attempts=0,
        created_at=found.created_at,
        started_at=None,
        completed_at=None,
        started_by=found.principal,
        steps=[],
        failed_compensations=[],
        ending=ending_of(ending) if ending.has_ended else None,
    )
