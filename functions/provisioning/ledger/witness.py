"""What the registers say of a job when the control plane does not suffice: a forgotten job, a restored backup."""

from collections.abc import Sequence

from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.identity import Tenant
from provisioning.ledger.rollback import Rollback
from provisioning.tenant import holding


def refusals(rollback: Rollback) -> list[str]:
    """Return why a job that Step Functions has forgotten must not be rolled back; nothing for any other job.

    It is rolled back only where control plane and register both name it as unfinished. Raise psycopg2.Error.
    """
    if not rollback.is_forgotten:
        return []
    if not rollback.is_known:
        return ["neither Step Functions nor the control plane knows this job: nothing was looked for"]
    refused = []
    for tenant in holding.held_by(rollback.control, rollback.job_id):
        holder = register.holder_of(rollback.control, rollback.job_id, tenant.project_id)
        if not register.is_named(tenant, holder, may_be_active=False):
            refused.append(f"the register does not give tenant {tenant.tenant_id} to this job as unfinished")
    return refused


def found_in_registers(rollback: Rollback) -> tuple[list[Tenant], list[str]]:
    """Return the tenants that only a register gives to this job, and what remains unknown.

    The registers are searched if the control plane, as after a restore from a backup, does not know the job, or does
    not know that the tenant in the state is the job's. Tenants that are found are recorded in the control plane. Raise
    psycopg2.Error.
    """
    control, tenant_id, job_id = rollback.control, rollback.tenant_id, rollback.job_id
    known = holding.find(control, tenant_id) if tenant_id is not None else None
    if rollback.is_known and (tenant_id is None or (known is not None and known.job_id == job_id)):
        return [], []
    identity = control.identity()
    found: list[Tenant] = []
    named: set[str] = set()
    unknown: list[str] = []
    for cluster in control.clusters():
        _, rows = sessions.on(cluster, lambda session: register.find(session, identity, tenant_id, job_id))
        for row in (row for row in rows if row.job_id == job_id):
            named.add(row.tenant_id)
            tenant = holding.record_found(control, cluster, row.tenant_id, job_id, row.project_id)
            if tenant is not None:
                found.append(tenant)
            else:
                unknown.append(
                    f"tenant {row.tenant_id}: the control plane gives it to another job, a register to this one"
                )
    if tenant_id is not None and tenant_id not in named:
        unknown.append(f"tenant {tenant_id}: neither the control plane nor a register gives it to this job")
    return found, unknown


def changing(rollback: Rollback, clusters: Sequence[Cluster]) -> list[str]:
    """Return the tenants whose access this job is changing, according to the registers of these clusters."""
    identity, job_id = rollback.control.identity(), rollback.job_id
    found: list[str] = []
    for cluster in clusters:
        _, rows = sessions.on(cluster, lambda session: register.find(session, identity, rollback.tenant_id, job_id))
        found += [row.tenant_id for row in rows if row.changing_job_id == job_id]
    return found


def changed_in_registers(rollback: Rollback) -> list[str]:
    """Describe what a job has changed whose former state the control plane has lost."""
    return [
        f"tenant {tenant_id}: the control plane does not know the access that it had before this job changed it"
        for tenant_id in changing(rollback, rollback.control.clusters())
    ]
