"""Protect a project from every job that may remove its tenant: such a job does not open."""

from typing import NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import JobInProgress, ProjectNotFound
from provisioning.requests.caller import Caller
from provisioning.requests.refusals import JobNotEligible

QUERIES = queries.load(__file__)


class _Protection(NamedTuple):
    is_protected: bool
    job_id: str | None
    job_status: str | None


def protect(control: ControlPlane, project_id: str, caller: Caller) -> None:
    """Protect a project: no job opens afterwards that may remove its tenant, and none is under way.

    Raise ProjectNotFound; and, naming the job, JobInProgress while one runs that may remove the tenant, or
    JobNotEligible for one that was stopped, or whose rollback was incomplete.
    """
    found = _record(control, project_id, caller, is_protected=True)
    if found.is_protected:
        return
    said = f"the job {found.job_id}, which may remove the tenant of the project {project_id}, is {found.job_status}"
    raise (JobInProgress if found.job_status in ("pending", "running") else JobNotEligible)(said, found.job_id)


def unprotect(control: ControlPlane, project_id: str, caller: Caller) -> None:
    """End a project's protection. Raise ProjectNotFound."""
    _record(control, project_id, caller, is_protected=False)


def _record(control: ControlPlane, project_id: str, caller: Caller, *, is_protected: bool) -> _Protection:
    """Record whether a project is protected, if it is not so already, and return what is recorded then."""
    sent = (QUERIES["lock_protected"], QUERIES["record_protection"], QUERIES["find_protection"])
    facts = {"project_id": project_id, "is_protected": is_protected, **caller._asdict()}
    found = control.fetch_one(_Protection, *sent, **facts)
    if found is None:
        raise ProjectNotFound(f"there is no project {project_id}")
    return found
