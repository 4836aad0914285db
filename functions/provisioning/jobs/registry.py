"""The declaration of every job type, and the handlers that start jobs.

Every program that starts jobs (command line, console, API) gets the handler here, and checks at its own start-up that
every type has one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from provisioning.errors import ProvisioningError
from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT

DECLARATIONS: Mapping[JobType, Declaration] = {
    declared.job_type: declared
    for declared in (
        PROVISION_PROJECT,
        SUSPEND_PROJECT,
        RESUME_PROJECT,
        EXPORT_PROJECT,
    )
}


class StepFunctions(NamedTuple):
    """Where a job is started: boto3's client, and the ARN of any state machine of the deployment."""

    client: Any
    state_machine_arn: str


class StartedJob(Protocol):
    """A started job."""

    @property
    def job_id(self) -> str:
        """The job's id, which is its execution's name."""
        ...

    @property
    def execution_arn(self) -> str:
        """The execution's ARN."""
        ...


class JobHandler(Protocol):
    """Start a job; starting it twice under one job id starts it once."""

    def __call__(
        self, payload: Mapping[str, Any], job_id: str | None = None, at: StepFunctions | None = None
    ) -> StartedJob:
        """Start the job's state machine and return at once; `at` defaults to the deployment in the settings."""
        ...


Handler = TypeVar("Handler", bound=JobHandler)

_handlers: dict[JobType, JobHandler] = {}


def register_job_handler(job_type: JobType) -> Callable[[Handler], Handler]:
    """Register the decorated handler. Raise ValueError when the type has one already."""

    def register(handler: Handler) -> Handler:
        if job_type in _handlers:
            raise ValueError(f"the job type {job_type} has a handler already")
        _handlers[job_type] = handler
        return handler

    return register


def get_job_handler(job_type: JobType) -> JobHandler:
    """Return the handler. Raise LookupError, naming the registered types, when there is none."""
    if job_type not in _handlers:
        known = ", ".join(get_registered_job_types()) or "none"
        raise LookupError(f"the job type {job_type} has no handler (registered: {known})")
    return _handlers[job_type]


def has_job_handler(job_type: JobType) -> bool:
    """Return whether the job type has a handler."""
    return job_type in _handlers


def get_registered_job_types() -> list[JobType]:
    """Return the job types that have a handler, in the order of their registration."""
    return list(_handlers)


def validate_required_handlers(required: Iterable[JobType] = tuple(DECLARATIONS)) -> None:
    """Raise LookupError naming every required job type that has no handler. To be called at start-up."""
    missing = [job_type for job_type in required if job_type not in _handlers]
    if missing:
        raise LookupError(f"job types without a handler: {', '.join(missing)}")


def job_type_of(state_machine_arn: str) -> JobType | None:
    """Return the type whose jobs are this state machine's executions; None for any other state machine."""
    name = _name(state_machine_arn)
    return next((job_type for job_type in DECLARATIONS if name.endswith(f"-{_suffix(job_type)}")), None)


def project_of(job_type: JobType, payload: object) -> str | None:
    """Return the project that a payload names; None for a payload that is not valid."""
    try:
        return DECLARATIONS[job_type].parse(payload).project_id
    except ProvisioningError:
        return None


def state_machine_of(known_arn: str, job_type: JobType) -> str:
    """Return the ARN of a job type's state machine, given the ARN of any state machine of the same deployment.

    A state machine's name begins with the stack's name and ends with its job type's (template.yaml). A version or an
    alias in the given ARN is kept. Raise LookupError for an ARN that belongs to no job type.
    """
    known = job_type_of(known_arn)
    if known is None:
        raise LookupError(f"{known_arn} is the state machine of no job type")
    parts = known_arn.split(":")
    parts[6] = parts[6].removesuffix(_suffix(known)) + _suffix(job_type)
    return ":".join(parts)


def _name(state_machine_arn: str) -> str:
    parts = state_machine_arn.split(":")
    return parts[6] if len(parts) > 6 else ""


def _suffix(job_type: JobType) -> str:
    return job_type.replace("_", "-")
