"""Whether a project, as it is, takes a job of a type: the table of statuses that the declarations make."""

from collections.abc import Mapping
from typing import Any

from provisioning.errors import JobInProgress, ProjectNotEligible, ProjectNotFound
from provisioning.jobs.declaration import Declaration, JobPayload, ProjectStatus, TenantOf
from provisioning.jobs.registry import DECLARATIONS


def check_eligible(
    declared: Declaration, payload: JobPayload, project: Mapping[str, Any] | None, running: str | None
) -> str:
    """Return the status that the project gets back should a job of a type without one for failures fail.

    The project is as "Verify project" finds it, with its live tenant and the latest job that changed its status;
    running is the job that excludes this one. Raise ProjectNotFound, JobInProgress, ProjectNotEligible, or the error
    with which the type waits for the status to end.
    """
    if (
        project is None
        or payload.organization_id not in (None, project["organization_id"])
        or payload.owner_id not in (None, project["owner_id"])
    ):
        raise ProjectNotFound(f"there is no project {payload.project_id} of this organization and owner")
    status, latest = ProjectStatus(project["status"]), project["job"]
    if running is not None:
        if waiting := declared.waits_in.get(status):
            raise waiting(f"the job {running} is at work on the project {payload.project_id}, which is {status}")
        raise JobInProgress(f"the job {running} is at work on the project {payload.project_id}, which is {status}")
    if latest is not None and latest["status"] == "rollback_incomplete" and status not in _RESTING:
        return _check_retry(declared, payload, latest)
    if payload.retries is not None:
        raise ProjectNotEligible(f"the project {payload.project_id} has no job {payload.retries} to be retried")
    if status not in declared.opens_in:
        raise ProjectNotEligible(
            f"the project {payload.project_id} is {status}: {_ways_on(status, payload.project_id)}"
        )
    if (declared.tenant is TenantOf.PROJECT) is (project["tenant_id"] is None):
        has = "no live tenant" if project["tenant_id"] is None else f"the live tenant {project['tenant_id']}"
        raise ProjectNotEligible(f"the project {payload.project_id} is {status} and has {has}: run provision doctor")
    return str(status)


_RESTING = {status for declared in DECLARATIONS.values() for status in (declared.on_success, *declared.opens_in)}


def _check_retry(declared: Declaration, payload: JobPayload, latest: Mapping[str, Any]) -> str:
    """Return the status that the job had found that is to be retried. Raise ProjectNotEligible for any other job."""
    job = latest["job_id"]
    if (payload.retries, declared.job_type) == (job, latest["job_type"]):
        return str(latest["status_on_failure"])
    left = ", ".join(latest["leftovers"]) or "something"
    raise ProjectNotEligible(
        f"the job {job} of the project {payload.project_id} has left {left}:"
        f" provision rollback {job}, or provision retry {job}"
    )


def _ways_on(status: ProjectStatus, project_id: str) -> str:
    """Return the commands of the job types that open in the status."""
    commands = [
        declared.command.replace("PROJECT", project_id)
        for declared in DECLARATIONS.values()
        if status in declared.opens_in
    ]
    return " or ".join(commands) or "no job opens in it"
