"""What the registers say of a job when the control plane does not suffice: a forgotten job, a restored backup."""

from typing import NamedTuple

from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.identity import Tenant, TenantNames
from provisioning.ledger.rollback import Rollback
from provisioning.tenant import holding


class Found(NamedTuple):
    """What the registers and clusters know of a job's tenants that the control plane does not."""

    tenants: list[Tenant]
    """Those that a register gives to the job."""
    unknown: list[str]
    nowhere: TenantNames | None = None
    """The tenant in the state, if control plane, registers and clusters have no trace of it: at most its secrets exist.
    """


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


def named(rollback: Rollback) -> list[str]:
    """Return which of the tenants that the control plane gives to the job a register gives to it, too.

    Raise psycopg2.Error.
    """
    control, job_id = rollback.control, rollback.job_id
    return [
        tenant.tenant_id
        for tenant in holding.held_by(control, job_id)
        if register.is_named(tenant, register.holder_of(control, job_id, tenant.project_id), may_be_active=True)
    ]


def found_in_registers(rollback: Rollback) -> Found:
    """Return the tenants that only a register gives to this job, and what remains unknown.

    The registers are searched if the control plane, as after a restore from a backup, does not know the job, or does
    not know that the tenant in the state is the job's. Tenants that are found are recorded in the control plane. If the
    control plane and the register agree that the tenant in the state is not the job's, the job did nothing to it. Raise
    psycopg2.Error.
    """
    control, tenant_id, job_id = rollback.control, rollback.tenant_id, rollback.job_id
    known = holding.find(control, tenant_id) if tenant_id is not None else None
    if rollback.is_known and (tenant_id is None or (known is not None and known.job_id == job_id)):
        return Found([], [])
    identity = control.identity()
    found: list[Tenant] = []
    holders: dict[str, str | None] = {}
    unknown: list[str] = []
    for cluster in control.clusters():
        _, rows = sessions.on(cluster, lambda session: register.find(session, identity, tenant_id, job_id))
        holders |= {row.tenant_id: row.job_id for row in rows}
        for row in (row for row in rows if row.job_id == job_id):
            tenant = holding.record_found(control, cluster, row.tenant_id, job_id, row.project_id)
            if tenant is not None:
                found.append(tenant)
            else:
                unknown.append(
                    f"tenant {row.tenant_id}: the control plane gives it to another job, a register to this one"
                )
    if tenant_id is None or holders.get(tenant_id) == job_id:
        return Found(found, unknown)
    if known is not None and tenant_id in holders and holders[tenant_id] == known.job_id:
        return Found(found, unknown)
    names = TenantNames(tenant_id)
    if known is None and tenant_id not in holders and not _is_on_a_cluster(rollback, names):
        return Found(found, unknown, names)
    unknown.append(f"tenant {tenant_id}: neither the control plane nor a register gives it to this job")
    return Found(found, unknown)


def _is_on_a_cluster(rollback: Rollback, names: TenantNames) -> bool:
    # Imported here, because only a job that nobody knows needs it.
    from provisioning.tenant import removing

    clusters = rollback.control.clusters()
    return any(sessions.on(cluster, lambda session: removing.find_left(session, names))[1] for cluster in clusters)


def changing(rollback: Rollback, done: str) -> list[str]:
    """Return the tenants whose register says that this job is changing their access, or has changed it to state `done`.

    A job that Step Functions has forgotten may have succeeded, so only a change that has not ended counts. Raise
    psycopg2.Error.
    """
    identity, job_id = rollback.control.identity(), rollback.job_id
    found: list[str] = []
    for cluster in rollback.control.clusters():
        _, rows = sessions.on(cluster, lambda session: register.find(session, identity, rollback.tenant_id, job_id))
        latest = [row for row in rows if row.access_job_id == job_id]
        found += [
            row.tenant_id for row in latest if row.is_changing or (row.state == done and not rollback.is_forgotten)
        ]
    return found


def changed_in_registers(rollback: Rollback, done: str) -> list[str]:
    """Describe what a job has changed whose former state the control plane has lost."""
    return [
        f"tenant {tenant_id}: the control plane does not know the access that it had before this job changed it"
        for tenant_id in changing(rollback, done)
    ]
