"""Whether the job that has an execution's name is the execution's own.

A job's id is its execution's name. Step Functions forgets names after 90 days, and keeps them unique only within a
state machine: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

from collections.abc import Mapping
from typing import Any

from provisioning.errors import InvalidPayload
from provisioning.jobs.declaration import Declaration, JobPayload, JobType
from provisioning.jobs.registry import DECLARATIONS


def asks_for(declared: Declaration, payload: JobPayload, job: Mapping[str, Any], project: Mapping[str, Any]) -> bool:
    """Return whether a payload asks for this job: its type, project, organization and owner.

    The job's organization and owner are those of its own payload. Where a payload names none, they are the project's.
    """
    if (job["job_type"], job["project_id"]) != (declared.job_type, payload.project_id):
        return False
    whose = {"organization_id": payload.organization_id, "owner_id": payload.owner_id}
    return all((asked or project.get(name)) == (job[name] or project.get(name)) for name, asked in whose.items())


def still_holds(job: Mapping[str, Any], project: Mapping[str, Any]) -> bool:
    """Return whether the result of a job that succeeded is still true: its project's status, and its live tenant."""
    return (project.get("status"), project.get("tenant_id")) == (job["status_on_success"], job["tenant_id"])


def is_own(job_type: JobType, document: object, job: Mapping[str, Any], project: Mapping[str, Any]) -> bool:
    """Return whether an execution of a type with this input is the job's own, or asks for a result that still holds."""
    declared = DECLARATIONS[job_type]
    try:
        payload = declared.parse(document)
    except InvalidPayload:
        payload = None
    if not job["was_opened"]:
        # It may itself have been refused for its payload, its organization or its owner.
        asked = payload.project_id if payload is not None else None
        return bool((job["job_type"], job["project_id"]) == (job_type, asked))
    if payload is None:
        return False
    return asks_for(declared, payload, job, project) and (job["status"] != "succeeded" or still_holds(job, project))
