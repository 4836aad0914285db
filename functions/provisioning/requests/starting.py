"""Start the job that a request asks for: once."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from provisioning.control_plane import Project
from provisioning.errors import (
    InsufficientPermissions,
    InvalidPayload,
    Misconfigured,
    TransientError,
)
from provisioning.jobs import executions
from provisioning.jobs.declaration import JobType
from provisioning.jobs.eligibility import check_eligible
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS, StepFunctions
from provisioning.jobs.rules import as_input
from provisioning.requests.refusals import ProjectExists, StepFunctionsUnavailable
from provisioning.requests.remembering import Request, Requested, Wanted, remembered

MISCONFIGURED = ("InvalidArn", "StateMachineDoesNotExist", "StateMachineDeleting")
DENIED = ("AccessDeniedException", "KmsAccessDeniedException")


def start_job(
    request: Request, job_type: JobType, document: Mapping[str, Any], at: StepFunctions | None = None
) -> Requested:
    """Start a job of a type with a payload, or return the one that this request has started before.

    A new request is refused as its job would be, before anything is written: raise InvalidPayload, ProjectNotFound,
    JobInProgress, which names the other job, and ProjectNotEligible. The job decides again when it opens. `at` defaults
    to the deployment in the settings. Raise also what `remembering.remembered` raises, and StepFunctionsUnavailable,
    InsufficientPermissions and Misconfigured if the execution cannot be started; a repetition then starts it.
    """
    declared = DECLARATIONS[job_type]
    payload = declared.parse(document)
    as_input(document)
    body = {"job_type": job_type, "payload": document}
    wanted = Wanted(job_type, payload.project_id, declared.excludes(payload.project_id), body)
    with remembered(request, wanted) as (_, found):
        if found.is_new:
            # With a transient error the job waits for its turn.
            with suppress(TransientError):
                check_eligible(declared, payload, found.project, found.running)
    return _ensure(found.is_in_ledger, job_type, document, Requested(found.job_id, not found.is_new), at)


def create_project(request: Request, document: Mapping[str, Any], at: StepFunctions | None = None) -> Requested:
    """Add a project and start the job that provisions it, or return the job that this request has started before.

    The payload is that of the job, and names the project's organization and owner. The project and the request are
    written together. Raise ProjectExists for a project that another request has added, InvalidPayload, and what
    start_job raises if the execution cannot be started.
    """
    project = project_of(document)
    as_input(document)
    declared = PROVISION_PROJECT
    body = {"creates": project.project_id, "payload": document}
    wanted = Wanted(declared.job_type, project.project_id, declared.excludes(project.project_id), body)
    with remembered(request, wanted) as (control, found):
        if found.is_new and not control.record_project(project):
            raise ProjectExists(f"the project {project.project_id} already exists")
    return _ensure(found.is_in_ledger, declared.job_type, document, Requested(found.job_id, not found.is_new), at)


def project_of(document: Mapping[str, Any]) -> Project:
    """Return the project that a payload for its provisioning names. Raise InvalidPayload if it does not say whose."""
    payload = PROVISION_PROJECT.parse(document)
    whose = {"organization_id": payload.organization_id, "owner_id": payload.owner_id}
    if missing := [name for name, value in whose.items() if value is None]:
        raise InvalidPayload("; ".join(f"{name}: is required" for name in missing))
    return Project(payload.project_id, str(payload.organization_id), str(payload.owner_id), payload.placement.region)


def _ensure(
    is_started: bool, job_type: JobType, document: Mapping[str, Any], requested: Requested, at: StepFunctions | None
) -> Requested:
    """Start the execution unless the ledger shows that it was started, and return the answer."""
    if not is_started:
        start_once(job_type, document, requested.job_id, at)
    return requested


def start_once(job_type: JobType, document: Mapping[str, Any], name: str, at: StepFunctions | None) -> None:
    """Start an execution under a name that only one request has; one that exists was started for it.

    Raise StepFunctionsUnavailable, InsufficientPermissions or Misconfigured.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        executions.start(job_type, document, name, at)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ExecutionAlreadyExists":
            return
        said = f"Step Functions does not start it: {code}"
        if code in DENIED:
            raise InsufficientPermissions(said) from error
        raise (Misconfigured if code in MISCONFIGURED else StepFunctionsUnavailable)(said) from error
    except BotoCoreError as error:
        raise StepFunctionsUnavailable(f"Step Functions does not answer: {type(error).__name__}") from error
    except LookupError as error:
        raise Misconfigured(str(error)) from error
