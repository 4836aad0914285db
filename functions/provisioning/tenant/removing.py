"""One way to remove a tenant: for its holder only, and only where the control plane and the register agree.

What is gone already counts as done. A removed tenant is looked at once more when the last attempt that could make
anything of it has had to end (upkeep.reconcile).
"""

from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.aws import secrets
from provisioning.cluster import creators, register
from provisioning.cluster import session as sessions
from provisioning.cluster.register import Found, Holder
from provisioning.control_plane import ControlPlane
from provisioning.errors import RollbackFailed
from provisioning.ledger.rollback import Rollback
from provisioning.tenant import holding
from provisioning.tenant.identity import Tenant
from provisioning.tenant.making import QUERIES, composed
from provisioning.tenant.names import TenantNames


class Removal(NamedTuple):
    """What was removed, or why nothing was touched."""

    removed: list[str]
    refused: str = ""


class _Name(NamedTuple):
    name: str


def remove(
    control: ControlPlane,
    tenant: Tenant,
    *,
    removes_tenant: bool = False,
    must_be_named: bool = False,
    may_be_active: bool = True,
) -> Removal:
    """Remove the database, the roles and the secrets of a tenant, for whoever holds it in the control plane.

    It begins with the guard of the control plane (holding.claim_removal); nothing is sent to the cluster before that,
    and nothing is dropped there unless the register agrees: its row names this job, or names nobody or is missing. With
    must_be_named it has to name the job. A tenant that the register gives to somebody else becomes disputed.

    Raises psycopg2.Error, SecretsUnavailable, and RollbackFailed when something is still there afterwards.
    """
    holder = register.holder_of(control, tenant.job_id, tenant.project_id)
    if must_be_named and not _is_named(tenant, holder, may_be_active=may_be_active):
        return Removal([], f"the register does not give tenant {tenant.tenant_id} to this job")
    if not holding.claim_removal(control, tenant.tenant_id, tenant.job_id, removes_tenant=removes_tenant):
        return Removal([], f"tenant {tenant.tenant_id} is not this job's to remove")
    session, _ = sessions.on(tenant.cluster, lambda session: register.lock(session, tenant.names))
    try:
        flags = {"must_be_named": must_be_named, "may_be_active": may_be_active}
        found = register.claim_removal(session, tenant.names, holder, **flags)
        removed = _drop(session, tenant.names, found) if found.is_ours else []
        sessions.release(session)
    except BaseException:
        # It may be acting as a creator.
        session.close()
        raise
    if not found.is_ours:
        holding.record_disputed(control, tenant)
        return Removal([], f"the register gives tenant {tenant.tenant_id} to somebody else")
    removed += remove_secrets(tenant)
    holding.record_removed(control, tenant.tenant_id, found=bool(removed))
    return Removal(removed)


def refusals(rollback: Rollback) -> list[str]:
    """Return why a job that Step Functions has forgotten is not to be rolled back; nothing for any other job.

    Only where control plane and register both name it as unfinished is anything undone. Raises psycopg2.Error.
    """
    if not rollback.is_forgotten:
        return []
    if not rollback.is_known:
        return ["neither Step Functions nor the control plane knows this job: nothing was looked for"]
    refused = []
    for tenant in holding.held_by(rollback.control, rollback.job_id):
        holder = register.holder_of(rollback.control, rollback.job_id, tenant.project_id)
        if not _is_named(tenant, holder, may_be_active=False):
            refused.append(f"the register does not give tenant {tenant.tenant_id} to this job as unfinished")
    return refused


def found_in_registers(rollback: Rollback) -> tuple[list[Tenant], list[str]]:
    """Return the tenants that a register alone gives to this job, and what nobody knows.

    They are looked for when the control plane does not know the job, or that the tenant in the state is its own, as
    after its restore from a backup, and are written down there. Raises psycopg2.Error.
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


def remove_secrets(tenant: Tenant) -> list[str]:
    """Remove the tenant's secret and that of its job's API keys, look that they are absent, and name what was removed.

    Raises SecretsUnavailable.
    """
    names = [tenant.names.secret]
    if tenant.job_id is not None:
        names.append(tenant.names.api_keys_secret(tenant.job_id))
    return [name for name in names if secrets.remove(name, removed_before=tenant.removed_at is not None)]


def forget(control: ControlPlane, tenant: Tenant) -> None:
    """Delete a removed tenant's row in the register, and write down that it is gone. Raises psycopg2.Error."""
    identity = control.identity()
    sessions.on(tenant.cluster, lambda session: register.forget(session, tenant.names, identity))
    holding.record_gone(control, tenant)


def _is_named(tenant: Tenant, holder: Holder, *, may_be_active: bool) -> bool:
    _, found = sessions.on(
        tenant.cluster,
        lambda session: register.find(session, holder.control_plane_id, tenant.tenant_id, str(tenant.job_id)),
    )
    return any(
        one.tenant_id == tenant.tenant_id and one.job_id == tenant.job_id and (may_be_active or one.state != "active")
        for one in found
    )


def _drop(session: Connection, names: TenantNames, found: Found) -> list[str]:
    creator = found.administrator if creators.is_creator(found.administrator) else None
    acting = creators.becoming(creator)
    with session.cursor() as cursor:
        if found.roles:
            cursor.execute(sql.Composed([acting, composed(names, QUERIES["close_roles"])]))
        if found.database_is_invalid is not None:
            if found.database_exists:
                cursor.execute(composed(names, QUERIES["close_database"], QUERIES["end_sessions_of_database"]))
            # Slots and the sessions of logins that are not the tenant's are the admin's to end.
            ended = [QUERIES[name] for name in ("end_sessions_of_database", "end_sessions_of_slots", "drop_slots")]
            cursor.execute(sql.Composed([creators.ADMIN_AGAIN, composed(names, *ended), acting]))
            cursor.execute(composed(names, QUERIES["drop_database"]))
        if found.roles:
            dropped = composed(names, QUERIES["drop_roles"])
            cursor.execute(sql.Composed([dropped, creators.ADMIN_AGAIN, creators.freed(creator)]))
    left = sessions.fetch_composed(session, _Name, composed(names, QUERIES["find_leftovers"]))
    if left:
        raise RollbackFailed(f"still there: {', '.join(one.name for one in left)}")
    database = [names.database] if found.database_is_invalid is not None else []
    return [*database, *([names.login_role, names.owner_role] if found.roles else [])]
