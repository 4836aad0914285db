"""What a job type is: its stages, what it makes of its project's status, and what may not run beside it."""

from enum import StrEnum
from typing import NamedTuple

from provisioning.stage import Stage


class JobType(StrEnum):
    """The kinds of job there are. Each has a declaration, and a state machine of the same name."""

    PROVISION_PROJECT = "provision_project"


class ProjectStatus(StrEnum):
    """How a project stands."""

    CREATED = "created"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    FAILED = "failed"


class Step(NamedTuple):
    """A stage of a job type, the state that runs it, and the state that undoes it if there is anything to undo."""

    stage: Stage
    state: str
    undone_by: str | None = None


class Declaration(NamedTuple):
    """A job type whose jobs belong to one project each, of which one runs at a time."""

    job_type: JobType
    steps: tuple[Step, ...]
    """In order. The first one opens the job."""
    opens_in: tuple[ProjectStatus, ...]
    while_running: ProjectStatus
    on_success: ProjectStatus
    on_failure: ProjectStatus

    def excludes(self, project_id: str) -> str:
        """Return the key that only one running job has."""
        return f"project:{project_id}"

    def record(self, project_id: str) -> dict[str, str]:
        """Return what a job's row in the control plane says of its type, by column."""
        return {
            "job_type": str(self.job_type),
            "excludes": self.excludes(project_id),
            "status_while_running": str(self.while_running),
            "status_on_success": str(self.on_success),
            "status_on_failure": str(self.on_failure),
        }

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
