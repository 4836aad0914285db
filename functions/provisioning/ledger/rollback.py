"""A compensation in flight: it closes the job to forward attempts, and records what it removed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from provisioning import control_plane
from provisioning.control_plane import ControlPlane, locks
from provisioning.errors import JobClosed, ProvisioningError, StageInProgress
from provisioning.ledger.attempt import QUERIES, Status
from provisioning.stage import Stage

if TYPE_CHECKING:
    from provisioning.jobs.declaration import JobType


class Undone(NamedTuple):
    """What a compensation removed, and what may be left without anybody knowing."""

    removed: Sequence[str]
    unknown: Sequence[str] = ()


class Rollback(NamedTuple):
    """A compensation in flight, holding the locks of the stages that it undoes."""

    control: ControlPlane
    stages: Sequence[Stage]
    job_id: str
    is_known: bool
    """False if the control plane knows the job at most from an earlier rollback of it, as after a restore."""
    removed: list[str]
    """What it has removed so far. A compensation appends here at once: what it removed before it failed is recorded."""
    undone: list[Stage]
    """The stages of which it has removed everything so far."""
    tenant_id: str | None = None
    """The tenant in the execution's state."""
    has_begun: bool = True
    """Whether any of the stages may have had an attempt, as far as the control plane and the execution know."""
    is_forgotten: bool = False
    """Whether Step Functions has forgotten the job's execution, or may have: then only a register that names the job
    counts.
    """

    def check(self) -> None:
        """Check that this compensation still holds its locks, which last as long as its session.

        Call it before every effect that no other lock guards. Raise ControlPlaneUnavailable.
        """
        self.control.fetch_one(Status, QUERIES["find_job_status"], **self._key, failed_stage="")

    def finish(self, undone: Undone) -> None:
        """Record what was removed, and that nothing of these stages is left unless something is unknown."""
        facts = {"removed": list(undone.removed), "unknown": list(undone.unknown)}
        self.control.execute(QUERIES["record_compensation"], **self._key, undone=_names(self.stages), **facts)

    def fail(self, error: ProvisioningError) -> None:
        """Record why the compensation did not finish, and what it had removed by then."""
        removed = [QUERIES["record_compensation"]] if self.removed or self.undone else []
        facts = {"removed": self.removed, "unknown": [], "undone": _names(self.undone)}
        why = {"error_type": str(error.error_type), "error_message": str(error)}
        self.control.execute(*removed, QUERIES["record_failed_compensation"], **self._key, **facts, **why)

    @property
    def _key(self) -> dict[str, object]:
        return {"job_id": self.job_id, "stages": _names(self.stages)}


def begin(
    job_id: str,
    job_type: "JobType",
    stages: Sequence[Stage],
    seconds: float,
    *,
    failed_stage: str,
    tenant_id: str | None = None,
    is_forgotten: bool = False,
) -> Rollback | None:
    """Close the job to every forward attempt and claim the stages for their compensation.

    The stage that failed is the last that the execution has reached; it is '' for an execution that was stopped.

    Return None if there is nothing to undo: the job has succeeded, and its tenant is live. Raise StageInProgress while
    a forward attempt is in flight and within its time, and JobClosed, with nothing changed, for a job of another type:
    execution names are unique only within a state machine.
    """
    started = (QUERIES["record_rollback_started"], QUERIES["find_job_status"])
    facts = {"job_id": job_id, "job_type": job_type, "stages": _names(stages), "failed_stage": failed_stage}
    job = control_plane.connect().fetch_one(Status, *started, **facts)
    if job is not None and job.job_type != job_type:
        raise JobClosed(f"the job is of type {job.job_type}: its own state machine rolls it back")
    if job is not None and job.status == "succeeded":
        return None
    control = locks.lock([f"{job_id}/{stage}" for stage in stages], seconds)
    if control is None:
        raise StageInProgress(f"another attempt at {', '.join(stages)} is still running")
    if job is None:
        return Rollback(control, stages, job_id, False, [], [], tenant_id, True, is_forgotten)
    is_forgotten = is_forgotten or job.is_old
    return Rollback(control, stages, job_id, job.is_known, [], [], tenant_id, job.has_begun, is_forgotten)


def _names(stages: Sequence[Stage]) -> list[str]:
    return [str(stage) for stage in stages]
