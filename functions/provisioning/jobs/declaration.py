"""What a job type is: its payload, its stages, the statuses it leads its project through, and what it excludes."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, NewType, Protocol

from provisioning.errors import TransientError
from provisioning.jobs.calls import LEDGER, Calls
from provisioning.jobs.payload import Placement
from provisioning.stage import Stage

JobType = NewType("JobType", str)
"""The name of a kind of job, which is its state machine's too. The list of them is the registry's."""


class ProjectStatus(StrEnum):
    """The status of a project."""

    CREATED = "created"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    FAILED = "failed"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    LEAVING = "leaving"


class TenantOf(StrEnum):
    """Which tenant a job works on."""

    NEW = "new"
    """One that is chosen for the job: from the pool, or still to be made."""
    PROJECT = "project"
    """The project's live tenant."""


class JobPayload(Protocol):
    """What every job's payload says."""

    @property
    def project_id(self) -> str: ...
    @property
    def organization_id(self) -> str | None: ...
    @property
    def owner_id(self) -> str | None: ...
    @property
    def retries(self) -> str | None:
        """The job with an incomplete rollback that this one replaces."""

    @property
    def plan_id(self) -> str | None:
        """The plan that the job keeps."""

    @property
    def placement(self) -> Placement:
        """What the cluster of a new tenant must provide."""

    @property
    def storage_gb(self) -> int | None:
        """How much storage the job asks for; None if it asks for none."""

    @property
    def skipped(self) -> set[Stage]:
        """The stages that the job skips."""

    def as_document(self) -> dict[str, Any]:
        """Return the payload as it is kept in the control plane."""
        ...


class Step(NamedTuple):
    """A stage of a job type, the state that runs it, and the state that undoes it if there is anything to undo."""

    stage: Stage
    state: str
    undone_by: str | None = None
    leaves: str | None = None
    """What is left until a stage that changes something is undone. A stage that makes something needs no such text:
    what it makes has a row of its own in the control plane.
    """
    calls: Calls = LEDGER
    """What its attempt that succeeds asks for, if the job's tenant is ready or live."""
    calls_from_nothing: Calls | None = None
    """What it asks for if the job makes its tenant; None if that is the same."""


class Declaration(NamedTuple):
    """A job type. Each of its jobs belongs to one project, and a project runs one job at a time."""

    job_type: JobType
    summary: str
    """What it does, as the command line and the start form show it."""
    command: str
    """What a person types to start one."""
    parse: Callable[[object], JobPayload]
    """Return the typed payload. Raise InvalidPayload."""
    schema: str
    """The payload's JSON schema, a file of this package."""
    steps: tuple[Step, ...]
    """In order. The first one opens the job."""
    tenant: TenantOf
    opens_in: tuple[ProjectStatus, ...]
    while_running: ProjectStatus | None
    """None: the status that the project had before. Such a type changes no status at all."""
    on_success: ProjectStatus | None
    on_failure: ProjectStatus | None
    """None: the status that the project had before."""
    waits_in: Mapping[ProjectStatus, type[TransientError]] = {}
    """Statuses in which a job cannot open yet, and the error with which it is retried."""
    removes_tenant: bool = False
    """Whether it may remove a tenant that is active or suspended."""
    event: str = "job.succeeded"
    """The type of the event of its success (provisioning/events.py)."""
    adds: bool = False
    """Whether it gives its organization more than it had, so that the organization's limits decide whether it opens."""
    other_states: int = 3
    """How many states a success enters that run no stage: each is billed, as those of the stages are."""

    def excludes(self, project_id: str) -> str:
        """Return the key that only one running job may hold."""
        return f"project:{project_id}"

    def record(self, project_id: str, status: str) -> dict[str, object]:
        """Return the columns of a job's row that derive from its type, for a job that opens in that project status."""
        return {
            "job_type": self.job_type,
            "excludes": self.excludes(project_id),
            "status_while_running": str(self.while_running or status),
            "status_on_success": str(self.on_success or status),
            "status_on_failure": str(self.on_failure or status),
            "removes_tenant": self.removes_tenant,
            "success_event": self.event,
        }

    @property
    def transitions(self) -> int:
        """How many states an execution enters that succeeds without a retry."""
        return len(self.steps) + self.other_states

    @property
    def states(self) -> dict[Stage, str]:
        """The state that runs each stage, in order."""
        return {step.stage: step.state for step in self.steps}

    @property
    def compensations(self) -> dict[str, tuple[Stage, ...]]:
        """The stages that each compensation undoes."""
        found: dict[str, tuple[Stage, ...]] = {}
        for step in self.steps:
            if step.undone_by is not None:
                found[step.undone_by] = (*found.get(step.undone_by, ()), step.stage)
        return found
