"""List projects and jobs: what the ledger knows, also of a job whose execution Step Functions has forgotten.

Both lists begin with the newest and are read page by page. A row keeps its place, whatever happens to it in between, so
nobody misses a row or gets it twice.
"""

from datetime import datetime
from typing import NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane

QUERIES = queries.load(__file__)


class ListedProject(NamedTuple):
    """A project with its live tenant, and the job that last changed its status."""

    project_id: str
    organization_id: str
    owner_id: str
    region: str
    status: str
    tenant_id: str | None
    job_id: str | None
    job_status: str | None
    created_at: datetime
    updated_at: datetime


class ListedJob(NamedTuple):
    """A job; one that was refused has no project if its payload names none."""

    job_id: str
    job_type: str
    project_id: str | None
    status: str
    current_stage: str
    progress_percent: int
    created_at: datetime
    completed_at: datetime | None


class Place(NamedTuple):
    """The place of a row in its list, which a later page begins after."""

    created_at: datetime
    name: str


def find_projects(
    control: ControlPlane, most: int, *, status: str | None = None, after: Place | None = None
) -> list[ListedProject]:
    """Return the projects, of one status if given, and one more than `most` if there are others."""
    return control.fetch_all(ListedProject, QUERIES["find_projects"], status=status, most=most, **_place(after))


def find_jobs(
    control: ControlPlane,
    most: int,
    *,
    project_id: str | None = None,
    job_type: str | None = None,
    status: str | None = None,
    outcome: str | None = None,
    after: Place | None = None,
) -> list[ListedJob]:
    """Return the jobs that meet all of the filters, and one more than `most` if there are others."""
    asked = {"project_id": project_id, "job_type": job_type, "status": status, "outcome": outcome, "most": most}
    return control.fetch_all(ListedJob, QUERIES["find_jobs"], **asked, **_place(after))


def _place(after: Place | None) -> dict[str, object]:
    return {"after": after.created_at if after else None, "after_name": after.name if after else None}
