"""A cluster's own record of the tenants on it, readable by its admin only.

A tenant that the register gives to another job is never used and never removed, whatever the control plane says.
"""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import control_plane, postgres
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.cluster.session import QUERIES
from provisioning.identity import Tenant, TenantNames
from provisioning.queries import Query

CTYPES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8")
"""Locales of operating systems that know the case of every letter, by the names that initdb has recorded them under."""


class Holder(NamedTuple):
    """Who claims a tenant: a job of this control plane or, if job_id is None, the refill of the cluster's pool."""

    control_plane_id: str
    job_id: str | None
    project_id: str | None


class Found(NamedTuple):
    """What the register said before a claim, whether it accepted the claim, and what exists on the cluster."""

    is_ours: bool
    holder: str | None
    database_is_invalid: bool | None
    """None: there is no database. An interrupted removal leaves an invalid one."""
    roles: list[str]
    administrator: str | None
    """The creator of the roles, if any exists."""
    free_creator: str | None
    ctype: str | None
    """The first of CTYPES that the server has."""
    has_icu: bool
    has_keeper: bool
    """Whether tenants' roles can be kept for an upgrade from a server before 16."""
    may_be_closed: bool | None
    """Whether a job was changing the access to it before, or has closed it."""

    @property
    def database_exists(self) -> bool:
        """Whether a usable database exists."""
        return self.database_is_invalid is False


class Registered(NamedTuple):
    """A tenant in the register."""

    tenant_id: str
    job_id: str | None
    project_id: str | None
    state: str
    access_job_id: str | None
    """The job that was the last to change the access to it."""
    is_changing: bool
    """Whether that job is still doing so."""

    @property
    def is_live(self) -> bool:
        """Whether the register has it as active or suspended."""
        return self.state in ("active", "suspended")


class Holding(NamedTuple):
    """Who holds a tenant according to the register."""

    tenant_id: str
    control_plane_id: str
    job_id: str | None
    state: str


class _Lock(NamedTuple):
    held: bool


class _Recorded(NamedTuple):
    tenant_id: str


def lock(session: Connection, names: TenantNames) -> None:
    """Acquire the tenant's lock, ending the session of any other holder of ours. Raise psycopg2.Error.

    The caller holds the tenant in the control plane, so any other holder of this lock is superseded, whatever its
    deadline is. The caller then checks its attempt once: from then on the lock guards every statement.
    """
    for _ in range(2):
        (taken,) = sessions.fetch(session, _Lock, QUERIES["lock_tenant"], tenant_id=names.tenant_id)
        if taken.held:
            return
        sessions.send(session, QUERIES["end_sessions_of_lock_holder"], tenant_id=names.tenant_id)
    raise postgres.Busy("another session holds the tenant's lock")


def claim(session: Connection, names: TenantNames, holder: Holder) -> Found:
    """Assign a tenant to its holder in the register. One round trip, no shared object locked. Raise psycopg2.Error."""
    return _claim(session, names, holder, QUERIES["claim_tenant"])


def claim_removal(
    session: Connection, names: TenantNames, holder: Holder, *, must_be_named: bool, may_be_active: bool
) -> Found:
    """Record in the register that the tenant's holder removes it. Raise psycopg2.Error.

    The register agrees if its row names this job or, unless must_be_named, if the row names nobody or is missing.
    """
    flags = {"must_be_named": must_be_named, "may_be_active": may_be_active}
    return _claim(session, names, holder, QUERIES["claim_removal"], **flags)


def claim_access(session: Connection, names: TenantNames, holder: Holder) -> Found:
    """Record that the holder's job changes the access to this live tenant. Raise psycopg2.Error."""
    return _claim(session, names, holder, QUERIES["claim_access"])


def record_state(session: Connection, names: TenantNames, holder: Holder, state: str) -> bool:
    """Record that the holder's job is done with this tenant, which is now active or suspended.

    Return whether the register still gives it to the job. Raise psycopg2.Error.
    """
    return bool(sessions.fetch(session, _Recorded, QUERIES["record_state"], state=state, **_values(names, holder)))


def find(session: Connection, control_plane_id: str, tenant_id: str | None, job_id: str) -> list[Registered]:
    """Return the tenant of this id, and every tenant that the job has made, closed or opened. Raise psycopg2.Error."""
    values = {"control_plane_id": control_plane_id, "tenant_id": tenant_id, "job_id": job_id}
    return sessions.fetch(session, Registered, QUERIES["find_registered"], **values)


def is_named(tenant: Tenant, holder: Holder, *, may_be_active: bool) -> bool:
    """Return whether the register gives the tenant to its job; a live tenant counts only with may_be_active."""
    _, found = sessions.on(
        tenant.cluster,
        lambda session: find(session, holder.control_plane_id, tenant.tenant_id, str(tenant.job_id)),
    )
    return any(
        one.tenant_id == tenant.tenant_id and one.job_id == tenant.job_id and (may_be_active or not one.is_live)
        for one in found
    )


def holders(session: Connection, tenant_ids: Sequence[str]) -> dict[str, Holding]:
    """Return what the register says of those of the tenants that it knows, by their ids. Raise psycopg2.Error."""
    asked = sql.SQL("{}::text[]").format(sql.Literal(list(tenant_ids)))
    return {one.tenant_id: one for one in sessions.fetch(session, Holding, QUERIES["find_holders"], tenant_ids=asked)}


def forget(session: Connection, names: TenantNames, control_plane_id: str) -> None:
    """Delete the row of a tenant that was removed. Raise psycopg2.Error."""
    values = {"tenant_id": names.tenant_id, "control_plane_id": control_plane_id}
    sessions.send(session, QUERIES["forget_tenant"], **values)


def chosen_ctype() -> sql.Composed:
    """Return the part of a query that finds the LC_CTYPE of new tenants: the first of CTYPES that the server has."""
    return postgres.composed(QUERIES["find_ctype"], ctypes=list(CTYPES))


def holder_of(control: control_plane.ControlPlane, job_id: str | None, project_id: str | None) -> Holder:
    """Return the holder for the registers: a job of this control plane, or its refill."""
    return Holder(control.identity(), job_id, project_id)


def _claim(session: Connection, names: TenantNames, holder: Holder, claim: Query, **values: object) -> Found:
    values |= {"owner": names.owner_role, "login": names.login_role, "database": names.database}
    values |= {
        "share": creators.SHARE,
        "keeper": creators.KEEPER,
        "chosen_ctype": chosen_ctype(),
        **_values(names, holder),
    }
    (found,) = sessions.fetch(session, Found, claim, QUERIES["find_tenant"], **values)
    return found


def _values(names: TenantNames, holder: Holder) -> dict[str, object]:
    return {"tenant_id": names.tenant_id, **holder._asdict()}
