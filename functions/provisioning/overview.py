"""List jobs and projects, and find one tenant, with what the execution view shows of them. Never a secret's value.

Both lists begin with the newest and are read page by page. What a page costs does not depend on how many rows there
are, except that a search reads rows until it has found a page.
"""

from datetime import datetime
from typing import NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.listing import Place

QUERIES = queries.load(__file__)


class Wanted(NamedTuple):
    """Which jobs are wanted: those that meet all of these, None and False meaning any."""

    job_type: str | None = None
    status: str | None = None
    is_waiting: bool = False
    """Whether it waits for its next attempt."""
    standing_at: str | None = None
    """The stage of an unfinished job."""
    project_id: str | None = None
    search: str | None = None
    """Any part of the project's id or of the job's."""


class JobRow(NamedTuple):
    """A job; one that was refused has no project if its payload names none."""

    job_id: str
    job_type: str
    project_id: str | None
    status: str
    current_stage: str
    progress_percent: int
    last_error_message: str | None
    failed_stage: str | None
    is_rolled_back: bool
    """Whether a rollback has begun."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    waiting_stage: str | None
    """The stage whose next attempt it waits for."""
    waiting_after: int | None
    """The attempt at it that failed."""
    waiting_since: datetime | None
    waiting_for: str | None
    """Why that attempt failed."""


class Standing(NamedTuple):
    """How many unfinished jobs stand at a stage."""

    stage: str
    jobs: int


class ProjectRow(NamedTuple):
    """A project with its live tenant, the services that it is registered with, and its newest job."""

    project_id: str
    organization_id: str
    region: str
    status: str
    is_protected: bool
    tenant_id: str | None
    tenant_state: str | None
    host: str | None
    port: int | None
    services: list[str]
    job_id: str | None
    job_type: str | None
    job_status: str | None
    job_created_at: datetime | None
    created_at: datetime


class TenantRow(NamedTuple):
    """A tenant in any state; one of the pool has no project."""

    tenant_id: str
    state: str
    project_id: str | None
    cluster_id: str
    region: str
    host: str
    port: int
    schema_version: int | None
    server_fingerprint: str | None
    secret_arn: str | None
    job_id: str | None
    created_at: datetime
    claimed_at: datetime | None


def find_jobs(control: ControlPlane, most: int, wanted: Wanted, after: Place | None = None) -> list[JobRow]:
    """Return the wanted jobs, and one more than `most` if there are others. Raise ControlPlaneUnavailable."""
    asked = {**wanted._asdict(), "most": most, **_place(after)}
    return control.fetch_all(JobRow, QUERIES["find_listed_jobs"], **asked)


def find_standing(control: ControlPlane) -> list[Standing]:
    """Return how many unfinished jobs stand at each stage, the most first. Raise ControlPlaneUnavailable."""
    return control.fetch_all(Standing, QUERIES["find_standing"])


def find_projects(
    control: ControlPlane, most: int, *, status: str | None, search: str | None, after: Place | None = None
) -> list[ProjectRow]:
    """Return the projects of a status, or with this part in their id or their organization's.

    There is one more than `most` if there are others. Raise ControlPlaneUnavailable.
    """
    asked = {"status": status, "search": search, "most": most, **_place(after)}
    return control.fetch_all(ProjectRow, QUERIES["find_listed_projects"], **asked)


def find_tenant(control: ControlPlane, tenant_id: str) -> TenantRow | None:
    """Return a tenant, or None for an unknown one. Raise ControlPlaneUnavailable."""
    return control.fetch_one(TenantRow, QUERIES["find_tenant"], tenant_id=tenant_id)


def _place(after: Place | None) -> dict[str, object]:
    return {"after": after.created_at if after else None, "after_name": after.name if after else None}
