"""The ledger: who works on a stage, what it is about to create, and how it ended.

A stage is locked by a session-level advisory lock for as long as its attempt runs, so two attempts never act at once.
An attempt never reconnects: when its session is gone, its lock is gone, and it must not act any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioning import control_plane
from provisioning.control_plane import ControlPlane, Row
from provisioning.errors import ControlPlaneUnavailable, JobClosed, ProvisioningError, StageInProgress
from provisioning.job import Job, job_from_record
from provisioning.stage import Stage


@dataclass(frozen=True)
class Attempt:
    """One attempt at a stage, holding its lock."""

    control: ControlPlane
    stage: Stage
    number: int
    job: Job

    def declare(self, **intent: object) -> None:
        """Writes the exact names this attempt is about to create. Raises JobClosed when it was given up."""
        if self.control.fetch_one("declare_intent", **self._key, intent=intent) is None:
            raise self._closed()

    def check(self) -> None:
        """Guarantees that this attempt still holds its stage. To be called before every effect that no lock guards.

        Raises JobClosed when the attempt was given up, and ControlPlaneUnavailable when its session is gone.
        """
        if self.control.fetch_one("check_attempt", **self._key) is None:
            raise self._closed()

    def succeed(self, output: dict[str, Any]) -> dict[str, Any]:
        """Records the outcome and returns it. Called in the transaction that records the work itself.

        Raises JobClosed when the attempt was given up meanwhile, and then nothing is recorded.
        """
        if self.control.fetch_one("succeed_attempt", **self._key, output=output) is None:
            raise self._closed()
        return output

    def fail(self, error: ProvisioningError) -> None:
        """Records the error, unless a later attempt has taken the stage over."""
        details = {"error": type(error).__name__, "transient": not error.permanent}
        self.control.execute(
            "fail_attempt",
            **self._key,
            error_type=str(error.error_type),
            error_message=str(error),
            error_details=details,
        )

    @property
    def _key(self) -> dict[str, Any]:
        return {"job_id": self.job.job_id, "stage": str(self.stage), "attempt": self.number}

    def _closed(self) -> JobClosed:
        return JobClosed(f"attempt {self.number} at {self.stage} was given up")


@dataclass(frozen=True)
class Recorded:
    """A stage that this job has already finished, with the output it had."""

    output: dict[str, Any]


@dataclass(frozen=True)
class Rollback:
    """A compensation at work, holding the locks of the stages it undoes."""

    control: ControlPlane
    stages: Sequence[Stage]
    job: Job
    intents: dict[Stage, Row] = field(default_factory=dict)
    """What the forward attempts declared; a stage that declared nothing has created nothing."""

    def finish(self, removed: Sequence[str]) -> None:
        """Records that nothing of these stages is left, and what was removed."""
        self.control.execute(
            "finish_compensation", job_id=self.job.job_id, stages=_names(self.stages), removed=list(removed)
        )

    def fail(self, error: ProvisioningError) -> None:
        """Records why the compensation did not finish."""
        self.control.execute(
            "fail_compensation",
            job_id=self.job.job_id,
            stages=_names(self.stages),
            error_type=str(error.error_type),
            error_message=str(error),
        )


def begin_attempt(job_id: str, stage: Stage, seconds: float) -> Attempt | Recorded:
    """Claims the stage for an attempt that ends within the given seconds.

    Returns the recorded output when the job has already finished the stage. Raises StageInProgress while another
    attempt is at work within its time, and JobClosed when the job has ended, is rolling back or does not exist.
    """
    control = _lock(job_id, [stage], seconds)
    row = control.fetch_one("claim_stage", job_id=job_id, stage=str(stage))
    if row is not None and row["attempt"] is not None:
        return Attempt(control, stage, row["attempt"], job_from_record(row))
    release(control)
    if row is None:
        raise JobClosed(f"there is no job {job_id}")
    if row["step_status"] == "succeeded":
        return Recorded(row["output"])
    raise JobClosed(f"the job is {row['job_status']} and takes no more attempts at {stage}")


def begin_rollback(job_id: str, stages: Sequence[Stage], seconds: float) -> Rollback | None:
    """Closes the job to every forward attempt and claims the stages for their compensation.

    Returns None when there is nothing to undo: the job never opened, or it has succeeded, and then its tenant is
    live. Raises StageInProgress while a forward attempt is at work within its time.
    """
    row = control_plane.connect().fetch_one("start_rollback", job_id=job_id, stages=_names(stages))
    if row is None or row["job_status"] == "succeeded":
        return None
    control = _lock(job_id, stages, seconds)
    steps = control.fetch_all("find_intents", job_id=job_id, stages=_names(stages))
    intents = {Stage(step["stage"]): step["intent"] for step in steps if step["intent"] is not None}
    return Rollback(control, stages, job_from_record(row), intents)


def lock(keys: Sequence[str], seconds: float) -> ControlPlane | None:
    """Takes these locks for so long, ending the session of a holder whose own time is over.

    Returns None when a holder is still within its time. The locks are held for as long as the session lives.
    """
    control = control_plane.connect()
    if not _all_held(control, keys, seconds):
        control.execute("take_over_stage", keys=keys)
        if not _all_held(control, keys, seconds):
            release(control)
            return None
    return control


def release(control: ControlPlane) -> None:
    """Gives back every lock of this session; a session that is gone has none."""
    if not control.connection.closed:
        try:
            control.execute("release_stage")
        except ControlPlaneUnavailable:
            control.connection.close()


def was_rolled_back(job_id: str) -> bool:
    """Tells whether the job has been rolled back or is being rolled back. Only for an attempt that is over."""
    job = control_plane.connect().fetch_one("find_job", job_id=job_id)
    return job is not None and job["status"] != "succeeded" and job["rollback_started_at"] is not None


def _lock(job_id: str, stages: Sequence[Stage], seconds: float) -> ControlPlane:
    control = lock([f"{job_id}/{stage}" for stage in stages], seconds)
    if control is None:
        raise StageInProgress(f"another attempt at {', '.join(stages)} is still running")
    return control


def _all_held(control: ControlPlane, keys: Sequence[str], seconds: float) -> bool:
    return all(row["held"] for row in control.fetch_all("lock_stage", keys=keys, seconds=seconds))


def _names(stages: Sequence[Stage]) -> list[str]:
    return [str(stage) for stage in stages]
