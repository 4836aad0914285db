"""The declaration of every job type, and the handlers that start jobs."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT

DECLARATIONS: Mapping[JobType, Declaration] = {declared.job_type: declared for declared in (PROVISION_PROJECT,)}


class StartedJob(Protocol):
    """A job that is under way."""

    @property
    def job_id(self) -> str:
        """The job's id, which is its execution's name."""
        ...

    @property
    def execution_arn(self) -> str:
        """The execution's ARN."""
        ...


class JobHandler(Protocol):
    """Starts a job. Starting it twice under one job id starts it once."""

    def __call__(self, payload: Mapping[str, Any], job_id: str | None = None) -> StartedJob:
        """Starts the job's state machine and returns at once."""
        ...


Handler = TypeVar("Handler", bound=JobHandler)

_handlers: dict[JobType, JobHandler] = {}


def register_job_handler(job_type: JobType) -> Callable[[Handler], Handler]:
    """Registers the decorated handler. Raises ValueError when the type has one already."""

    def register(handler: Handler) -> Handler:
        if job_type in _handlers:
            raise ValueError(f"the job type {job_type} has a handler already")
        _handlers[job_type] = handler
        return handler

    return register


def get_job_handler(job_type: JobType) -> JobHandler:
    """Returns the handler. Raises LookupError, naming the registered types, when there is none."""
    if job_type not in _handlers:
        known = ", ".join(get_registered_job_types()) or "none"
        raise LookupError(f"the job type {job_type} has no handler (registered: {known})")
    return _handlers[job_type]


def has_job_handler(job_type: JobType) -> bool:
    """Return whether the job type has a handler."""
    return job_type in _handlers


def get_registered_job_types() -> list[JobType]:
    """Returns the job types that have a handler, in the order of their registration."""
    return list(_handlers)


def validate_required_handlers(required: Iterable[JobType] = tuple(JobType)) -> None:
    """Raises LookupError naming every required job type that has no handler. To be called at start-up."""
    missing = [str(job_type) for job_type in required if job_type not in _handlers]
    if missing:
        raise LookupError(f"job types without a handler: {', '.join(missing)}")
