"""List projects and jobs: what the ledger knows, also of a job whose execution Step Functions has forgotten.

Both lists begin with the newest and are read page by page. A row keeps its place, whatever happens to it in between, so
nobody misses a row or gets it twice.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from provisioning import endings, queries
from provisioning.control_plane import ControlPlane
from provisioning.execution import Describe

QUERIES = queries.load(__file__)
MOST_ASKED = 20
"""Unfinished jobs of a page whose executions are asked: DescribeExecution has a quota for the whole account."""


class ListedProject(NamedTuple):
    """A project with its live tenant, and the job that last changed its status."""

    project_id: str
    organization_id: str
    owner_id: str
    region: str
    status: str
    is_protected: bool
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


def outcomes(
    control: ControlPlane, known: Iterable[tuple[str | None, str | None]], describe: Describe
) -> dict[str, str]:
    """Return the outcomes of jobs, the newest first, given each one's id and its status in the ledger.

    The executions of those that the ledger calls unfinished are asked; if they are many, those of the oldest.
    """
    statuses = {job_id: status for job_id, status in known if job_id is not None and status is not None}
    found, answered = dict(statuses), True

    def ask(execution_arn: str) -> Mapping[str, Any] | None:
        nonlocal answered
        said = describe(execution_arn)
        answered = said is not None
        return said

    unfinished = [job_id for job_id, status in statuses.items() if status in endings.UNFINISHED]
    for job_id in unfinished[-MOST_ASKED:]:
        # Where nobody answers, each further question takes as long again.
        if answered:
            found[job_id] = endings.find_told(control, job_id, ask).outcome or statuses[job_id]
    return found


def _place(after: Place | None) -> dict[str, object]:
    return {"after": after.created_at if after else None, "after_name": after.name if after else None}
