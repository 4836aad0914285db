"""Run a stage's action or compensation: claim it in the ledger, map its errors, log it and record the outcome."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg2

from provisioning import postgres
from provisioning.control_plane import locks
from provisioning.errors import ProvisioningError, RecordLost, RollbackFailed, UnexpectedFailure
from provisioning.ledger import attempt as attempts
from provisioning.ledger import rollback as rollbacks
from provisioning.ledger.attempt import Attempt, Intent, Recorded, Skipped
from provisioning.ledger.rollback import Rollback, Undone
from provisioning.observability import count_fault, count_stage, describe_exception, logger
from provisioning.stage import Stage

Event = dict[str, Any]
Output = dict[str, Any]
Action = Callable[[Attempt], Output]
Compensation = Callable[[Rollback], Undone]


class LambdaContext(Protocol):
    """What a stage needs to know of its Lambda invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation."""
        ...


def run_stage(  # noqa: PLR0913 (each is a fact of the stage, by name)
    stage: Stage,
    event: Event,
    context: LambdaContext,
    *,
    action: Action,
    failure: type[ProvisioningError],
    compensation: Compensation | None = None,
    intent: Intent | None = None,
    unwanted: Output | None = None,
) -> Output:
    """Run one attempt at a stage and return its output; a stage that has already succeeded returns its recorded output.

    The action records its own outcome (Attempt.succeed), in one transaction with the record of its work. The intent is
    written with the claim, before the action begins. A stage that the job does not want returns `unwanted`.

    Raise a typed error: `failure` if PostgreSQL may answer differently later. An attempt that resumes after its job was
    rolled back undoes what it may still have done.
    """
    job_id = str(event["job_id"])
    with reporting(str(stage), job_id, failure):
        claim = attempts.begin(job_id, stage, _seconds_left(context), intent)
        if isinstance(claim, Recorded):
            return claim.output
        if isinstance(claim, Skipped):
            return unwanted or {}
        try:
            with _recorded_failure(claim, failure):
                return action(claim)
        except BaseException as error:
            try:
                if isinstance(error, Exception) and compensation is not None and attempts.was_rolled_back(job_id):
                    begun = rollbacks.begin(
                        job_id,
                        claim.job.job_type,
                        [stage],
                        _seconds_left(context),
                        failed_stage=stage,
                        tenant_id=event.get("tenant_id"),
                    )
                    _undo(begun, compensation)
            finally:
                locks.release(claim.control)
            raise


def run_compensation(
    stages: Sequence[Stage], event: Event, context: LambdaContext, *, compensation: Compensation
) -> Output:
    """Undo what this job's stages created and return {removed, unknown}; repeating it removes nothing more.

    Raise RollbackFailed, StageInProgress or ControlPlaneUnavailable if it has to be retried, and JobClosed if the job
    is of another type than the execution.
    """
    job_id = str(event["job_id"])
    with reporting("compensation", job_id, RollbackFailed):
        rollback = rollbacks.begin(
            job_id,
            event["job_type"],
            stages,
            _seconds_left(context),
            failed_stage=next(iter(event["failure"]), ""),
            tenant_id=event.get("tenant_id"),
            is_forgotten=event.get("forgotten") is True,
        )
        undone = _undo(rollback, compensation)
        return {"removed": list(undone.removed), "unknown": list(undone.unknown)}


@contextmanager
def reporting(stage: str, job_id: str, failure: type[ProvisioningError]) -> Iterator[None]:
    """Log and count one attempt, and let only typed errors out of it."""
    started = time.monotonic()
    log = logger()
    # Of this thread: on a laptop, those of other functions are in the same process.
    log.thread_safe_append_keys(correlation_id=job_id)
    log.info("attempt started", stage=stage)
    try:
        yield
    except Exception as error:  # noqa: BLE001 whatever was raised leaves as a type the state machine knows
        typed = typed_error(error, failure)
        log.warning(str(typed), stage=stage, error=type(typed).__name__, raised=describe_exception(error))
        count_stage(stage, "failed", time.monotonic() - started)
        if typed.is_fault:
            count_fault("attempt")
        raise typed from None
    log.info("attempt succeeded", stage=stage, seconds=round(time.monotonic() - started, 3))
    count_stage(stage, "succeeded", time.monotonic() - started)


def typed_error(error: Exception, failure: type[ProvisioningError]) -> ProvisioningError:
    """Return the error itself if it is typed, and otherwise the typed error that it maps to."""
    if isinstance(error, ProvisioningError):
        return error
    if isinstance(error, psycopg2.Error):
        return postgres.translate(error, failure)
    return UnexpectedFailure(f"an unexpected {type(error).__name__} was raised")


def _undo(rollback: Rollback | None, compensation: Compensation) -> Undone:
    if rollback is None:
        return Undone([])
    try:
        try:
            undone = compensation(rollback)
        except RecordLost as error:
            undone = Undone([], [str(error)])
        rollback.finish(undone)
        return undone
    except Exception as error:
        typed = typed_error(error, RollbackFailed)
        _best_effort(lambda: rollback.fail(typed))
        raise
    finally:
        locks.release(rollback.control)


@contextmanager
def _recorded_failure(attempt: Attempt, failure: type[ProvisioningError]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        typed = typed_error(error, failure)
        _best_effort(lambda: attempt.fail(typed))
        raise


def _best_effort(record: Callable[[], None]) -> None:
    """Record a failure, best effort: its error must reach the caller even if it cannot be recorded."""
    try:
        record()
    except ProvisioningError as error:
        logger().warning("the failure could not be recorded", error=type(error).__name__)


def _seconds_left(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000
