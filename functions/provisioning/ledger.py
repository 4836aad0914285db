"""The ledger: who works on a stage, what it is about to create, and how it ended.

A stage is locked by a session-level advisory lock for as long as its attempt runs, so two attempts never act at once.
An attempt never reconnects: when its session is gone, its lock is gone, and it must not act any more.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from provisioning import control_plane
from provisioning.control_plane import ControlPlane, Row
from provisioning.errors import ControlPlaneUnavailable, JobClosed, ProvisioningError, StageInProgress
from provisioning.job import Job, job_from_record
from provisioning.stage import Stage


class Attempt(NamedTuple):
    """One attempt at a stage, holding its lock."""

    control: ControlPlane
    stage: Stage
    number: int
    job: Job
    declared: Row
    """What the statements of the stage's Intent have answered."""

    def check(self) -> None:
        """Guarantees that this attempt still holds its stage. To be called before every effect that no lock guards.

        Raises JobClosed when the attempt was given up, and ControlPlaneUnavailable when its session is gone.
        """
        if self.control.fetch_one("check_attempt", **self._key) is None:
            raise self._closed()

    def succeed(self, output: dict[str, Any], *records: str, **parameters: object) -> dict[str, Any]:
        """Records the outcome and, with sql/{record}.sql, the work itself, gives the lock back and returns the outcome.

        One transaction in one round trip, and the last that an attempt makes. Raises JobClosed when the attempt was
        given up meanwhile, and then nothing is recorded.
        """
        self._finish(("succeed_attempt", *records), output=output, **parameters)
        return output

    def complete(self, **parameters: object) -> dict[str, Any]:
        """Records the outcome of the last stage, which is the job's: its project is active from here on.

        Returns the result. Raises JobClosed when the job is being rolled back, and then nothing is recorded.
        """
        finished = self._finish(("collect_result", "succeed_attempt", "activate_project"), output=None, **parameters)
        return cast("dict[str, Any]", finished["result"])

    def _finish(self, statements: Sequence[str], **parameters: object) -> Row:
        finished = self.control.fetch_one("begin", *statements, "commit", "release_recorded", **self._key, **parameters)
        if finished is None or not finished["recorded"]:
            raise self._closed()
        return finished

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


class Intent(NamedTuple):
    """What a stage is about to create: for the ledger, and as rows of its own by sql/{statement}.sql.

    It is written with the claim of the stage, before the job is known here: the statements take what they need of it
    from the job's own row.
    """

    names: dict[str, Any]
    statement: str | None = None
    parameters: Mapping[str, Any] = MappingProxyType({})


class Recorded(NamedTuple):
    """A stage that this job has already finished, with the output it had."""

    output: dict[str, Any]


class Rollback(NamedTuple):
    """A compensation at work, holding the locks of the stages it undoes."""

    control: ControlPlane
    stages: Sequence[Stage]
    job: Job
    intents: Mapping[Stage, Row]
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


def begin_attempt(job_id: str, stage: Stage, seconds: float, intent: Intent) -> Attempt | Recorded:
    """Locks and claims the stage for an attempt that ends within the given seconds, and writes its intent.

    One round trip, unless an attempt whose time is over has to be ended first. Returns the recorded output when the job
    has already finished the stage. Raises StageInProgress while another attempt is at work within its time, and
    JobClosed when the job has ended, is rolling back or does not exist.
    """
    statements = ("claim_stage", *([intent.statement] if intent.statement else []), "find_claim")
    parameters = {**intent.parameters, "job_id": job_id, "stage": str(stage), "intent": intent.names}
    control, row = _lock([f"{job_id}/{stage}"], seconds, *statements, **parameters)
    if row is not None and not row["held"]:
        raise StageInProgress(f"another attempt at {stage} is still running")
    if row is not None and row["attempt"] is not None:
        return Attempt(control, stage, row["attempt"], job_from_record(row), row["declared"])
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
    control = lock([f"{job_id}/{stage}" for stage in stages], seconds)
    if control is None:
        raise StageInProgress(f"another attempt at {', '.join(stages)} is still running")
    steps = control.fetch_all("find_intents", job_id=job_id, stages=_names(stages))
    intents = {Stage(step["stage"]): step["intent"] for step in steps if step["intent"] is not None}
    return Rollback(control, stages, job_from_record(row), intents)


def lock(keys: Sequence[str], seconds: float) -> ControlPlane | None:
    """Takes these locks for so long, ending the session of a holder whose own time is over.

    Returns None when a holder is still within its time. The locks are held for as long as the session lives.
    """
    control, row = _lock(keys, seconds, "find_held")
    if row is None or not row["held"]:
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


def _lock(keys: Sequence[str], seconds: float, *names: str, **parameters: object) -> tuple[ControlPlane, Row | None]:
    """Takes the locks and runs the statements, which find out whether they are held, in the same round trip."""
    parameters |= {"keys": keys, "seconds": seconds}
    control, rows = control_plane.begin("lock_stage", *names, **parameters)
    if rows and not rows[0]["held"]:
        control.execute("take_over_stage", keys=keys)
        rows = control.fetch_all("lock_stage", *names, **parameters)
    return control, rows[0] if rows else None


def _names(stages: Sequence[Stage]) -> list[str]:
    return [str(stage) for stage in stages]
