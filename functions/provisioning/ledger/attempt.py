"""One attempt at a stage: it claims the stage, checks that it still holds it, and records how it ended."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from provisioning import control_plane, queries
from provisioning.control_plane import BEGIN, COMMIT, ControlPlane, locks
from provisioning.errors import JobClosed, ProvisioningError, RecordLost, StageInProgress
from provisioning.identity import tenant_from
from provisioning.ledger.job import Job
from provisioning.queries import Query
from provisioning.stage import Service, Stage

if TYPE_CHECKING:
    from provisioning.jobs.declaration import JobType

QUERIES = queries.load(__file__, "ledger.sql")
COMPLETION = ("record_succeeded", "record_output", "record_tenant_state", "record_project_status")
"""What the last stage of a job records, in order, once it has composed the job's result."""


class Intent(NamedTuple):
    """A row that records what a stage is about to create, written together with the claim of the stage.

    The job is not loaded yet when it is written, so the query reads what it needs from the tenant's own row.
    """

    query: Query
    parameters: Mapping[str, object] = MappingProxyType({})


class Recorded(NamedTuple):
    """A stage that this job has already finished, with the output it had."""

    output: dict[str, Any]


class Skipped(NamedTuple):
    """A stage that this job does not want."""


class Work(NamedTuple):
    """A row of find_work: a job with its tenant and one of its stages, and what the preceding claim obtained."""

    job_id: str
    job_type: "JobType"
    project_id: str
    job_status: str
    payload: dict[str, Any]
    organization_id: str
    owner_id: str
    tenant: dict[str, Any] | None
    registered: list[str]
    step_status: str | None
    output: dict[str, Any] | None
    held: bool
    attempt: int | None

    def job(self) -> Job:
        """Return the job. Raise JobClosed when it has no tenant any more."""
        if self.tenant is None:
            raise JobClosed("the job has no tenant any more")
        tenant, registered = tenant_from(self.tenant), tuple(Service(one) for one in self.registered)
        whose = (self.project_id, self.organization_id, self.owner_id)
        return Job(self.job_id, self.job_type, *whose, self.payload, tenant, registered)


class Status(NamedTuple):
    """How a job stands."""

    job_type: "JobType"
    status: str
    is_rolling_back: bool
    is_known: bool
    has_begun: bool
    """Whether any of the stages asked for may have had an attempt."""
    is_old: bool
    """Whether Step Functions may have forgotten the job's execution, and describe another one of its name."""


class _Current(NamedTuple):
    attempt: int


class _Missing(NamedTuple):
    stages: str


class _Finished(NamedTuple):
    recorded: bool
    result: dict[str, Any] | None


class Attempt(NamedTuple):
    """One attempt at a stage, holding its lock."""

    control: ControlPlane
    stage: Stage
    number: int
    job: Job

    def check(self) -> None:
        """Check that this attempt still holds its stage. Call it before every effect that no lock guards.

        Raise JobClosed when the attempt is superseded, and ControlPlaneUnavailable when its session is gone.
        """
        if self.control.fetch_one(_Current, QUERIES["find_current_attempt"], **self._key) is None:
            raise self._superseded()

    def succeed(self, output: dict[str, Any], *records: Query, **parameters: object) -> dict[str, Any]:
        """Record the outcome and, with the given queries, the work itself; release the lock and return the outcome.

        One transaction in one round trip, the last of the attempt. Raise JobClosed, with nothing recorded, if the
        attempt is superseded.
        """
        self._finish((QUERIES["record_success"], *records), output=output, **parameters)
        return output

    def complete(self, result: Query = QUERIES["record_result"], **parameters: object) -> dict[str, Any]:
        """Record the success of the last stage and of the job, and give its project the declared status.

        Return the job's result, which the query composes: by default from the outputs of its stages. With nothing
        recorded, raise JobClosed if the job is rolling back, and RecordLost if the ledger does not have every other
        stage as succeeded or skipped.
        """
        records = [QUERIES[name] for name in COMPLETION]
        sent = (QUERIES["record_missing"], result, QUERIES["record_success"], *records)
        try:
            finished = self._finish(sent, output=None, **parameters)
        except JobClosed:
            self.check_ledger()
            raise
        return cast("dict[str, Any]", finished.result)

    def check_ledger(self) -> None:
        """Raise RecordLost if the ledger of a running job lacks the success of any other stage: for the last one."""
        missing = self.control.fetch_one(_Missing, QUERIES["record_missing"], **self._key)
        if missing is not None and missing.stages:
            raise RecordLost(f"the control plane has lost the record of {missing.stages}")

    def fail(self, error: ProvisioningError) -> None:
        """Record the error, unless a later attempt has superseded this one."""
        self.control.execute(
            QUERIES["record_failed_attempt"],
            **self._key,
            error_type=str(error.error_type),
            error_message=str(error),
            error_details={"error": type(error).__name__, "transient": not error.permanent},
        )

    def _finish(self, records: Sequence[Query], **parameters: object) -> _Finished:
        sent = [BEGIN, *records, COMMIT, QUERIES["release_recorded"]]
        tenant_id = self.job.tenant.tenant_id
        finished = self.control.fetch_one(_Finished, *sent, tenant_id=tenant_id, **self._key, **parameters)
        if finished is None or not finished.recorded:
            raise self._superseded()
        return finished

    @property
    def _key(self) -> dict[str, Any]:
        return {"job_id": self.job.job_id, "stage": str(self.stage), "attempt": self.number}

    def _superseded(self) -> JobClosed:
        return JobClosed(f"attempt {self.number} at {self.stage} is superseded")


def begin(job_id: str, stage: Stage, seconds: float, intent: Intent | None) -> Attempt | Recorded | Skipped:
    """Lock and claim the stage for an attempt that ends within the given seconds, and write its intent.

    One round trip, unless an attempt whose time is over has to be ended first. A stage that the job has finished or
    does not want is not claimed. Raise StageInProgress while another attempt is in flight and within its time, and
    JobClosed if the job has ended, is rolling back or does not exist.
    """
    intended = [intent.query] if intent is not None else []
    sent = (QUERIES["claim_stage"], *intended, QUERIES["find_work"])
    parameters = {**(intent.parameters if intent is not None else {}), "job_id": job_id, "stage": str(stage)}
    control, work = locks.take([f"{job_id}/{stage}"], seconds, Work, *sent, **parameters)
    try:
        if work is not None and not work.held:
            raise StageInProgress(f"another attempt at {stage} is still running")
        if work is not None and work.attempt is not None:
            return Attempt(control, stage, work.attempt, work.job())
    except BaseException:
        locks.release(control)
        raise
    locks.release(control)
    if work is None:
        raise JobClosed(f"there is no job {job_id}")
    if work.step_status == "succeeded":
        return Recorded(cast("dict[str, Any]", work.output))
    if work.step_status == "skipped":
        return Skipped()
    raise JobClosed(f"the job is {work.job_status} and takes no more attempts at {stage}")


def was_rolled_back(job_id: str) -> bool:
    """Return whether the job was rolled back or is being rolled back. Call it only after the attempt is over."""
    job = control_plane.connect().fetch_one(
        Status, QUERIES["find_job_status"], job_id=job_id, stages=[], failed_stage=""
    )
    return job is not None and job.status != "succeeded" and job.is_rolling_back
