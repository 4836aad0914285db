"""Whether a job of a type may open in a project's present status, according to the declarations."""

from collections.abc import Mapping
from typing import Any

from provisioning.errors import InvalidPayload, JobInProgress, ProjectNotEligible, ProjectNotFound, ProjectProtected
from provisioning.jobs.declaration import Declaration, JobPayload, ProjectStatus, TenantOf
from provisioning.jobs.payload import NOWHERE
from provisioning.jobs.registry import DECLARATIONS


def check_eligible(
    declared: Declaration, payload: JobPayload, project: Mapping[str, Any] | None, running: str | None
) -> str:
    """Return the status that the project gets back if the job fails and its type declares none for failures.

    `project` is what "Verify project" finds, with its live tenant and the latest job that changed its status; `running`
    is the job that excludes this one. Raise ProjectNotFound, InvalidPayload for a region that is not the project's,
    JobInProgress, ProjectProtected for a type that may remove a tenant, ProjectNotEligible, or the transient error that
    the type declares for the status.
    """
    if (
        project is None
        or payload.organization_id not in (None, project["organization_id"])
        or payload.owner_id not in (None, project["owner_id"])
    ):
        raise ProjectNotFound(f"there is no project {payload.project_id} of this organization and owner")
    if payload.placement.region not in (NOWHERE.region, project["region"]):
        raise InvalidPayload("region: must be the project's")
    status, latest = ProjectStatus(project["status"]), project["job"]
    if running is not None:
        if waiting := declared.waits_in.get(status):
            raise waiting(f"the project {payload.project_id} is {status}: wait until its job {running} has ended")
        said = f"the project {payload.project_id} is {status}: wait until its job {running} has ended"
        raise JobInProgress(said, running)
    if declared.removes_tenant and project["is_protected"]:
        said = f"the project {payload.project_id} is protected: its protection has to be ended before it is removed"
        raise ProjectProtected(said)
    is_left = latest is not None and latest["status"] in ("stopped", "rollback_incomplete")
    # What is left of a job that changes no status keeps no other job from its project: upkeep removes it.
    if latest is not None and is_left and (status not in _RESTING or payload.retries is not None):
        return _check_retry(declared, payload, latest)
    if payload.retries is not None:
        raise ProjectNotEligible(f"the project {payload.project_id} has no job {payload.retries} to retry")
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
    """Return the status that the retried job had found. Raise ProjectNotEligible if the job is not its retry.

    What is left of the other and the commands that lead on are in the refused job's ending, which has no limit of
    length.
    """
    job = latest["job_id"]
    if latest["status"] == "stopped":
        # An attempt of it may still be in flight, and only a rollback waits for that.
        raise ProjectNotEligible(f"the job {job} of the project {payload.project_id} was stopped and not rolled back")
    if (payload.retries, declared.job_type) == (job, latest["job_type"]):
        return str(latest["status_on_failure"])
    raise ProjectNotEligible(f"the rollback of the job {job} of the project {payload.project_id} is incomplete")


def _ways_on(status: ProjectStatus, project_id: str) -> str:
    """Return the commands of the job types that lead out of the status."""
    commands = [
        declared.command.replace("PROJECT", project_id)
        for declared in DECLARATIONS.values()
        if status in declared.opens_in and declared.on_success is not None
    ]
    return " or ".join(commands) or "no job opens in it"
