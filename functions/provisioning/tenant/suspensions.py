"""A tenant's access before its suspension, as recorded in the control plane."""

import json
from typing import Any, NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import JobClosed
from provisioning.identity import Tenant, tenant_from

QUERIES = queries.load(__file__)


class Grant(NamedTuple):
    """A privilege on a database. No grantee: PUBLIC."""

    grantor: str
    grantee: str | None
    privilege: str
    is_grantable: bool


class WayIn(NamedTuple):
    """A database's privileges in the order of its ACL, and its own limits."""

    grants: list[Grant]
    connection_limit: int
    allow_connections: bool

    @property
    def grantors(self) -> list[str]:
        """The roles that have granted something."""
        return sorted({grant.grantor for grant in self.grants})

    @property
    def limits(self) -> tuple[int, bool]:
        """How many may connect, and whether anybody may."""
        return self.connection_limit, self.allow_connections

    def let_in(self, admin: str) -> set[str | None]:
        """Return who may connect, apart from the admin; None is PUBLIC."""
        return {one.grantee for one in self.grants if one.privilege == "CONNECT"} - {admin}


class Suspension(NamedTuple):
    """A present or past suspension of a tenant, and the job that closes the tenant or opens it again."""

    job_id: str
    logins: list[str]
    """The logins of the tenant that could log in."""
    grants: list[list[Any]] | None
    """None: nothing was revoked yet."""
    connection_limit: int | None
    allow_connections: bool | None

    @property
    def limits(self) -> tuple[int, bool] | None:
        """The database's limits to restore; None if an earlier version has recorded none."""
        if self.connection_limit is None or self.allow_connections is None:
            return None
        return self.connection_limit, self.allow_connections

    @property
    def way_in(self) -> WayIn | None:
        """The access to restore; None if nothing was revoked yet."""
        if self.grants is None or self.limits is None:
            return None
        return WayIn([Grant(*grant) for grant in self.grants], *self.limits)


class _Row(NamedTuple):
    tenant: dict[str, Any]


def record_closing(control: ControlPlane, tenant_id: str, job_id: str, logins: list[str], way_in: WayIn) -> Suspension:
    """Record which job is about to close the tenant, its usable logins and its limits; return what is recorded.

    Raise JobClosed if a later job holds the tenant.
    """
    asked = (QUERIES["record_closing"], QUERIES["find_suspension"])
    limits = {"connection_limit": way_in.connection_limit, "allow_connections": way_in.allow_connections}
    kept = control.fetch_one(Suspension, *asked, tenant_id=tenant_id, job_id=job_id, logins=logins, **limits)
    if kept is None or kept.job_id != job_id:
        raise JobClosed("a later job holds the tenant")
    return kept


def record_grants(control: ControlPlane, tenant_id: str, job_id: str, found: WayIn) -> None:
    """Record the privileges before they are revoked, unless an earlier attempt has."""
    grants = json.dumps(found.grants)
    control.execute(QUERIES["record_grants"], tenant_id=tenant_id, job_id=job_id, grants=grants)


def record_opening(control: ControlPlane, tenant_id: str, job_id: str) -> Suspension | None:
    """Record which job is about to open the tenant again, and return what is recorded, or None if nothing is."""
    keys = {"tenant_id": tenant_id, "job_id": job_id}
    return control.fetch_one(Suspension, QUERIES["record_opening"], QUERIES["find_suspension"], **keys)


def record_restored(control: ControlPlane, tenant_id: str, job_id: str) -> None:
    """Record that the tenant is open again."""
    control.execute(QUERIES["record_restored"], tenant_id=tenant_id, job_id=job_id)


def find(control: ControlPlane, tenant_id: str) -> Suspension | None:
    """Return what is recorded of a tenant's suspension."""
    return control.fetch_one(Suspension, QUERIES["find_suspension"], tenant_id=tenant_id)


def tenant_of(control: ControlPlane, job_id: str) -> Tenant | None:
    """Return the live tenant that a job works on."""
    row = control.fetch_one(_Row, QUERIES["find_tenant_of_job"], job_id=job_id)
    return tenant_from(row.tenant) if row is not None else None
