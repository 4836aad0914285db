"""A job's progress, read from the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from provisioning import control_plane, queries
from provisioning.control_plane import BEGIN, COMMIT
from provisioning.endings import UNFINISHED, Ending
from provisioning.error_types import ErrorType
from provisioning.identity import TenantNames

QUERIES = queries.load(__file__)


class StepProgress(NamedTuple):
    """One stage of a job."""

    stage: str
    status: str
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    error_type: str | None
    error_message: str | None


class Progress(NamedTuple):
    """A job and its stages. The percentage never decreases, and is 100 only when the job has succeeded."""

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
    created_at: datetime
    started_by: str | None = None
    """The principal whose request started it, or "StartExecution"."""
    steps: Sequence[StepProgress] = ()

    def told(self, ending: Ending) -> "Progress":
        """Return the progress of a job that the ledger calls unfinished, and whose ending says that it has stopped."""
        is_told = ending.outcome == "stopped" and self.status in UNFINISHED
        return self.stopped(ending.message or "") if is_told else self

    def stopped(self, message: str) -> "Progress":
        """Return the progress of a job whose execution has ended without the ledger having heard of it."""
        steps = [
            step._replace(status="failed", error_message=step.error_message or message)
            if step.status == "running"
            else step
            for step in self.steps
        ]
        error_type = str(ErrorType.EXECUTION_STOPPED)
        return self._replace(status="stopped", error_type=error_type, error_message=message, steps=steps)


class FailedCompensation(NamedTuple):
    """The latest failure of a compensation that is not done yet."""

    stages: list[str]
    """What it undoes."""
    error_type: str
    error_message: str
    failed_at: datetime


class JobSummary(NamedTuple):
    """A job in one line."""

    job_id: str
    execution_arn: str | None
    project_id: str | None
    status: str
    stage: str
    percent: int
    attempts: int


@dataclass(frozen=True)
class Resource:
    """Something that a job created or, if not confirmed, was about to create. Never a secret's value."""

    kind: str
    name: str
    confirmed: bool = True


@dataclass(frozen=True)
class Resources:
    """What a job created: what the control plane still holds, and what compensations removed."""

    existing: list[Resource]
    removed: list[str]


class _Tenant(NamedTuple):
    tenant_id: str
    state: str
    secret_arn: str | None
    is_made: bool

    def resources(self) -> list[Resource]:
        """Return what the tenant consists of, on its cluster and in Secrets Manager."""
        names = TenantNames(self.tenant_id)
        roles = [Resource("role", role, self.is_made) for role in (names.owner_role, names.login_role)]
        secret = Resource("secret", self.secret_arn or names.secret, self.secret_arn is not None)
        return [Resource("database", names.database, self.is_made), *roles, secret]


class _Other(NamedTuple):
    kind: str
    name: str
    confirmed: bool
    place: str


class _Removed(NamedTuple):
    removed: str


def get_progress(job_id: str) -> Progress | None:
    """Return the job's progress, or None if the control plane does not know it. Raise ControlPlaneUnavailable."""
    control = control_plane.connect()
    with control.transaction():
        job = control.fetch_one(Progress, BEGIN, QUERIES["find_job"], job_id=job_id)
        steps = control.fetch_all(StepProgress, QUERIES["find_steps"], job_id=job_id)
        control.execute(COMMIT)
    return job._replace(steps=steps) if job is not None else None


def get_failed_compensations(job_id: str) -> list[FailedCompensation]:
    """Return how the compensations of a job that failed and are not done yet have failed last.

    Raise ControlPlaneUnavailable.
    """
    found = QUERIES["find_failed_compensations"]
    return control_plane.connect().fetch_all(FailedCompensation, found, job_id=job_id)


def get_summaries(job_ids: Sequence[str]) -> dict[str, JobSummary]:
    """Return those of the jobs that the control plane knows, by their id. Raise ControlPlaneUnavailable."""
    rows = control_plane.connect().fetch_all(JobSummary, QUERIES["find_jobs"], job_ids=list(job_ids))
    return {row.job_id: row for row in rows}


def get_resources(job_id: str) -> Resources:
    """Return what the job created and what was removed again. Raise ControlPlaneUnavailable."""
    control = control_plane.connect()
    tenants = control.fetch_all(_Tenant, QUERIES["find_tenants"], job_id=job_id)
    others = control.fetch_all(_Other, QUERIES["find_registrations_and_keys"], job_id=job_id)
    removed = control.fetch_all(_Removed, QUERIES["find_removed"], job_id=job_id)
    existing = [resource for tenant in tenants for resource in tenant.resources()]
    existing += [Resource(other.kind, other.name, other.confirmed) for other in others]
    return Resources(existing, list(dict.fromkeys(row.removed for row in removed)))
