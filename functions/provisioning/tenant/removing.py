"""One way to remove a tenant: for its holder only, and only where the control plane and the register agree.

What is already gone counts as removed. A removed tenant is looked at once more when the last attempt that could make
anything of it must have ended (upkeep.reconcile).
"""

from collections.abc import Iterator
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.aws import secrets
from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.cluster.register import Found
from provisioning.control_plane import ControlPlane
from provisioning.errors import RollbackFailed
from provisioning.identity import Tenant, TenantNames
from provisioning.tenant import holding
from provisioning.tenant.making import QUERIES, composed

NAMED_AT_MOST = 3
"""How many databases that hold up a removal are named."""


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
    must_be_named: bool = False,
    may_be_active: bool = True,
    noted: list[str] | None = None,
) -> Removal:
    """Remove the database, the roles and the secrets of a tenant, for its holder in the control plane.

    It begins with the guard of the control plane (holding.claim_removal); nothing is sent to the cluster before that,
    and nothing is dropped there unless the register agrees: its row names this job, or names nobody or is missing. With
    must_be_named the row has to name the job. A tenant that the register gives to somebody else becomes disputed.

    What was removed is also appended to `noted`, even if the rest fails. Roles that another database refers to may
    resist: they stay without login, password and memberships, everything else is removed, and the control plane has the
    name of that database. Raise psycopg2.Error, SecretsUnavailable, and RollbackFailed when something is still
    there afterwards.
    """
    removed: list[str] = []
    try:
        refused = _remove(control, tenant, removed, must_be_named=must_be_named, may_be_active=may_be_active)
        return Removal(removed, refused)
    finally:
        if noted is not None:
            noted += removed


def _remove(
    control: ControlPlane, tenant: Tenant, removed: list[str], *, must_be_named: bool, may_be_active: bool
) -> str:
    holder = register.holder_of(control, tenant.job_id, tenant.project_id)
    if must_be_named and not register.is_named(tenant, holder, may_be_active=may_be_active):
        return f"the register does not give tenant {tenant.tenant_id} to this job"
    if not holding.claim_removal(control, tenant.tenant_id, tenant.job_id):
        return f"tenant {tenant.tenant_id} is not this job's to remove"
    session, _ = sessions.on(tenant.cluster, lambda session: register.lock(session, tenant.names))
    held_up: list[str] = []
    try:
        found = register.claim_removal(
            session, tenant.names, holder, must_be_named=must_be_named, may_be_active=may_be_active
        )
        if found.is_ours:
            held_up = _drop(tenant, session, found, removed)
        sessions.release(session)
    except BaseException:
        # The session may still be acting as a creator.
        session.close()
        raise
    if not found.is_ours:
        holding.record_disputed(control, tenant)
        return f"the register gives tenant {tenant.tenant_id} to somebody else"
    for secret in remove_secrets(tenant.names, tenant.job_id, removed_before=tenant.removed_at is not None):
        removed.append(secret)  # noqa: PERF402 (each at once, because the next may fail)
    if held_up:
        named = ", ".join(held_up[:NAMED_AT_MOST]) + (" and others" if len(held_up) > NAMED_AT_MOST else "")
        holding.record_held_up(control, tenant.tenant_id, named)
        raise RollbackFailed(f"the roles of tenant {tenant.tenant_id} are held up by {named}")
    holding.record_removed(control, tenant.tenant_id, found=bool(removed))
    return ""


def remove_secrets(names: TenantNames, job_id: str | None, *, removed_before: bool = False) -> Iterator[str]:
    """Remove the secrets of the tenant and of its job's API keys, verify that, and yield the names of those removed.

    Raise SecretsUnavailable.
    """
    for name in (names.secret, *([names.api_keys_secret(job_id)] if job_id is not None else [])):
        if secrets.remove(name, removed_before=removed_before):
            yield name


def find_left(session: Connection, names: TenantNames) -> list[str]:
    """Return which of the tenant's database and roles exist on the cluster. Raise psycopg2.Error."""
    found = sessions.fetch_composed(session, _Name, composed(names, QUERIES["find_leftovers"]))
    return [one.name for one in found]


def forget(control: ControlPlane, tenant: Tenant) -> None:
    """Delete a removed tenant's row in the register, and record that it is gone. Raise psycopg2.Error."""
    identity = control.identity()
    sessions.on(tenant.cluster, lambda session: register.forget(session, tenant.names, identity))
    holding.record_gone(control, tenant)


def _drop(tenant: Tenant, session: Connection, found: Found, removed: list[str]) -> list[str]:
    """Drop what exists on the cluster, and return what holds up the roles."""
    # Here, because no job that provisions needs it (docs/cost.md).
    from provisioning.tenant import dropping

    held_up = dropping.drop(tenant, session, found, removed)
    left = [name for name in find_left(session, tenant.names) if not (held_up and name in found.roles)]
    if left:
        raise RollbackFailed(f"still there: {', '.join(left)}")
    return held_up
