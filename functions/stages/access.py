"""The access to the tenant's database: one job type closes it, another opens it. Each is the other's compensation."""

from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.errors import ResumptionFailed, SuspensionFailed
from provisioning.handler import handler
from provisioning.identity import Tenant
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger import witness
from provisioning.ledger.attempt import Attempt
from provisioning.ledger.rollback import Rollback, Undone
from provisioning.ledger.runner import Event, LambdaContext, Output, run_compensation, run_stage
from provisioning.needs import Need
from provisioning.services.client import deadline
from provisioning.stage import Stage
from provisioning.tenant import access, suspensions


@handler(Need.CLUSTERS)
def suspend_access(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, tenant_id} and return {sessions, prepared_transactions, slots}.

    These count what it has ended. In a job that opens the tenant it is the compensation, and returns {removed,
    unknown}.
    """
    ends_at = deadline(context.get_remaining_time_in_millis())
    if Stage.SUSPENDING_ACCESS not in DECLARATIONS[event["job_type"]].states:
        undone = [Stage.RESTORING_ACCESS]
        return run_compensation(
            undone, event, context, compensation=lambda rollback: close_as_before(rollback, ends_at)
        )
    return run_stage(
        Stage.SUSPENDING_ACCESS,
        event,
        context,
        action=lambda attempt: close(attempt, ends_at),
        compensation=open_as_before,
        failure=SuspensionFailed,
    )


@handler(Need.CLUSTERS)
def restore_access(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, tenant_id} and return {logins}: how many of them can log in again.

    In a job that closes the tenant it is the compensation, and returns {removed, unknown}.
    """
    ends_at = deadline(context.get_remaining_time_in_millis())
    if Stage.RESTORING_ACCESS not in DECLARATIONS[event["job_type"]].states:
        return run_compensation([Stage.SUSPENDING_ACCESS], event, context, compensation=open_as_before)
    return run_stage(
        Stage.RESTORING_ACCESS,
        event,
        context,
        action=open_again,
        compensation=lambda rollback: close_as_before(rollback, ends_at),
        failure=ResumptionFailed,
    )


def close(attempt: Attempt, ends_at: float) -> Output:
    """Close the tenant before the monotonic time ends_at; idempotent."""
    job = attempt.job
    ended = access.close(attempt.control, job.tenant, job.job_id, attempt.check, ends_at)
    return attempt.succeed(ended._asdict())


def open_again(attempt: Attempt) -> Output:
    """Open the tenant as it was; idempotent."""
    job = attempt.job
    return attempt.succeed({"logins": access.open_again(attempt.control, job.tenant, job.job_id, attempt.check)})


def open_as_before(rollback: Rollback) -> Undone:
    """Open the tenant that this job has closed, or has begun to close."""
    tenant, refused = _changed(rollback, "suspended")
    if tenant is None:
        return Undone([], refused)
    access.open_again(rollback.control, tenant, rollback.job_id, rollback.check)
    rollback.removed.append(f"suspension of tenant {tenant.tenant_id}")
    _record_state(rollback, tenant, "active")
    return Undone(rollback.removed)


def close_as_before(rollback: Rollback, ends_at: float) -> Undone:
    """Close the tenant that this job has opened, or has begun to open, before the monotonic time ends_at."""
    tenant, refused = _changed(rollback, "active")
    if tenant is None:
        return Undone([], refused)
    access.close(rollback.control, tenant, rollback.job_id, rollback.check, ends_at)
    rollback.removed.append(f"resumption of tenant {tenant.tenant_id}")
    _record_state(rollback, tenant, "suspended")
    return Undone(rollback.removed)


def _changed(rollback: Rollback, done: str) -> tuple[Tenant | None, list[str]]:
    """Return the tenant whose access this job was the last to change, or None and what is unknown, if anything.

    The job changes it to the state `done`. If the control plane has no record of that, it may have lost it, and the
    register is asked. A tenant that is open can be closed again without such a record.
    """
    control, job_id = rollback.control, rollback.job_id
    tenant = suspensions.tenant_of(control, job_id)
    kept = suspensions.find(control, tenant.tenant_id) if tenant is not None else None
    if tenant is not None and kept is not None and kept.job_id == job_id:
        if rollback.is_forgotten and tenant.tenant_id not in witness.changing(rollback, done):
            return None, [f"the register does not say that this job is changing tenant {tenant.tenant_id}"]
        return tenant, []
    if not rollback.has_begun:
        return None, []
    if tenant is not None and done == "active" and tenant.tenant_id in witness.changing(rollback, done):
        return tenant, []
    return None, witness.changed_in_registers(rollback, done)


def _record_state(rollback: Rollback, tenant: Tenant, state: str) -> None:
    holder = register.holder_of(rollback.control, rollback.job_id, tenant.project_id)
    register.record_state(sessions.kept(tenant.cluster), tenant.names, holder, state)
