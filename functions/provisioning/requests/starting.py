"""Start the job that a request asks for: once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from provisioning.control_plane import ControlPlane, Project
from provisioning.errors import (
    InsufficientPermissions,
    InvalidPayload,
    Misconfigured,
    OrganizationQuotaExceeded,
    TransientError,
)
from provisioning.jobs import executions, opening, quotas
from provisioning.jobs.declaration import JobPayload, JobType
from provisioning.jobs.eligibility import check_eligible
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS, StepFunctions
from provisioning.jobs.rules import as_input
from provisioning.planning import plan
from provisioning.requests.refusals import ProjectExists, StepFunctionsUnavailable
from provisioning.requests.remembering import Found, Request, Requested, Wanted, remembered

MISCONFIGURED = ("InvalidArn", "StateMachineDoesNotExist", "StateMachineDeleting")
DENIED = ("AccessDeniedException", "KmsAccessDeniedException")


def start_job(
    request: Request, job_type: JobType, document: Mapping[str, Any], at: StepFunctions | None = None
) -> Requested:
    """Start a job of a type with a payload, or return the one that this request has started before.

    A new request is refused as its job would be, before anything is written: raise InvalidPayload, ProjectNotFound,
    JobInProgress, which names the other job, ProjectNotEligible and OrganizationQuotaExceeded. The job decides again
    when it opens. `at` defaults to the deployment in the settings. Raise also what `remembering.remembered` raises, and
    StepFunctionsUnavailable, InsufficientPermissions and Misconfigured if the execution cannot be started; a repetition
    then starts it.
    """
    declared = DECLARATIONS[job_type]
    project_id = declared.parse(document).project_id
    as_input(document)
    body = {"job_type": job_type, "payload": document}
    with remembered(request, Wanted(job_type, project_id, declared.excludes(project_id), body)) as (control, found):
        if found.is_new:
            check_admitted(control, job_type, document, found)
    return ensure(job_type, document, found, at)


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
        if found.is_new:
            if not control.record_project(project):
                raise ProjectExists(f"the project {project.project_id} already exists")
            payload = declared.parse(document)
            with opening.as_planned(payload.plan_id):
                _check_limits(control, project.organization_id, payload)
            plan.check_now(control, declared, payload)
    return ensure(declared.job_type, document, found, at)


def project_of(document: Mapping[str, Any]) -> Project:
    """Return the project that a payload for its provisioning names. Raise InvalidPayload if it does not say whose."""
    payload = PROVISION_PROJECT.parse(document)
    whose = {"organization_id": payload.organization_id, "owner_id": payload.owner_id}
    if missing := [name for name, value in whose.items() if value is None]:
        raise InvalidPayload("; ".join(f"{name}: is required" for name in missing))
    return Project(payload.project_id, str(payload.organization_id), str(payload.owner_id), payload.placement.region)


def check_admitted(control: ControlPlane, job_type: JobType, document: Mapping[str, Any], found: Found) -> None:
    """Raise what the job would be refused with, except a transient error, with which it waits for its turn."""
    declared = DECLARATIONS[job_type]
    payload = declared.parse(document)
    with opening.as_planned(payload.plan_id):
        with suppress(TransientError):
            check_eligible(declared, payload, found.project, found.running)
        if declared.adds and found.project is not None:
            _check_limits(control, str(found.project["organization_id"]), payload)
    with suppress(*declared.waits_in.values()):
        plan.check_now(control, declared, payload)


def _check_limits(control: ControlPlane, organization_id: str, payload: JobPayload) -> None:
    """Raise OrganizationQuotaExceeded if a job that adds something would be refused with it if it opened now."""
    excess = quotas.find_excess(control, organization_id, payload.project_id, payload.storage_gb)
    if excess is not None:
        raise OrganizationQuotaExceeded(excess.text)


def ensure(job_type: JobType, document: Mapping[str, Any], found: Found, at: StepFunctions | None) -> Requested:
    """Start the job of a request unless the ledger shows that it was started, and return the answer."""
    if not found.is_in_ledger:
        start_once(job_type, document, found.job_id, at)
    return Requested(found.job_id, not found.is_new)


def start_once(job_type: JobType, document: Mapping[str, Any], name: str, at: StepFunctions | None) -> None:
    """Start an execution under a name that only one request has; one that exists was started for it.

    Raise what `translated` raises.
    """
    with translated():
        executions.start_once(job_type, document, name, at)


@contextmanager
def translated() -> Iterator[None]:
    """Raise StepFunctionsUnavailable, InsufficientPermissions or Misconfigured if the block cannot call it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        said = f"Step Functions refuses the call: {code}"
        if code in DENIED:
            raise InsufficientPermissions(said) from error
        raise (Misconfigured if code in MISCONFIGURED else StepFunctionsUnavailable)(said) from error
    except BotoCoreError as error:
        raise StepFunctionsUnavailable(f"Step Functions does not answer: {type(error).__name__}") from error
    except LookupError as error:
        # Of state_machine_of; a KeyError would be a fault of the code.
        raise Misconfigured(str(error)) if type(error) is LookupError else error from error
