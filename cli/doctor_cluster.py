"""Examine a cluster: its admin, register and creators; then its roles and its tenants. Every session is read-only."""

from collections.abc import Collection, Generator, Iterator
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli import doctor_roles, doctor_tenants
from cli.doctor_tenants import Known, RegisteredTenant
from cli.findings import Finding
from provisioning import queries
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS, LOGIN
from provisioning.cluster import connections
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.examination import clusters, server
from provisioning.examination.clusters import Admin

QUERIES = queries.load(__file__)


def credentials(secret_id: str) -> dict[str, Any]:
    """Return the database credentials in a secret. Raise Misconfigured if some are missing, and what reading raises."""
    return secrets.read(secret_id, CREDENTIALS)


def registered_tenants(session: Connection) -> list[RegisteredTenant]:
    """Return every tenant in a register, over a session in its database. Raise psycopg2.Error."""
    return sessions.fetch(session, RegisteredTenant, QUERIES["find_registered"])


def find_holders(cluster: Cluster, tenant_ids: Collection[str]) -> dict[str, RegisteredTenant | None]:
    """Return which of the tenants the cluster has, in its register or by the name of a database or a role.

    Each is as the register has it, None without a row there. Raise psycopg2.Error and ProvisioningError.
    """
    with clusters.reading(cluster) as session:
        held: dict[str, RegisteredTenant | None] = dict.fromkeys(doctor_tenants.existing(session))
        held |= {one.tenant_id: one for one in registered_tenants(session)}
    return {tenant_id: held[tenant_id] for tenant_id in held.keys() & set(tenant_ids)}


def examine_cluster(cluster: Cluster, known: Known) -> Iterator[Finding]:
    """Yield whether the admin can connect and may do what the stages do, what roles may that they should not, and what
    only one of control plane, register and server knows.

    Raise psycopg2.Error and ProvisioningError.
    """
    subject, where = f"cluster {cluster.cluster_id}", f"{cluster.host}:{cluster.port}"
    dbname = secrets.read(cluster.admin_secret_id, LOGIN).get("dbname", "postgres")
    before = known.find_tenants()
    with clusters.reading(cluster, dbname) as session:
        admin = clusters.find_admin(session)
        yield from (Finding(subject, *fact) for fact in clusters.facts_of_admin(session, cluster, admin))
        found = connections.find(session)
        for fact in server.facts_of_connections(session, found, cluster.capacity):
            yield Finding(subject, *fact)
        yield from (Finding(subject, *fact) for fact in server.facts(server.find(session)))
        registered = yield from _examine_register(session, subject, cluster, admin)
        view = doctor_tenants.look(session, cluster, known, before, registered)
        known.seen |= set(view.conditions)
        yield from (
            Finding(subject, *fact) for fact in doctor_roles.facts(session, view, admin_is_superuser=admin.is_superuser)
        )
        yield from (Finding(subject, *fact) for fact in doctor_tenants.facts(session, view))
        known.examined.add(cluster.cluster_id)
    room = known.rooms[cluster.cluster_id]
    if room <= 0:
        yield Finding(
            subject,
            f"all {cluster.capacity} places are taken",
            f"add a cluster, or raise its capacity: {clusters.adding(cluster, 'MORE')}",
        )
    others = sum(one.control_plane_id != known.control_plane_id for one in registered or [])
    shared_with = f"; {others} tenants of other control planes" if others else ""
    told = f"room for {max(room, 0)} of {cluster.capacity} databases"
    yield Finding(subject, f"reached on {where} as {admin.name}, {told}{shared_with}; {server.told(found)}")


def _examine_register(
    session: Connection, subject: str, cluster: Cluster, admin: Admin
) -> Generator[Finding, None, list[RegisteredTenant] | None]:
    """Yield what is wrong with the register and the creators, and return the register's tenants; None if unreadable."""
    if not clusters.may_read_register(session, admin):
        return None
    with clusters.reading(cluster) as inside:
        try:
            registered = registered_tenants(inside)
            found = clusters.facts_of_register(inside, cluster, admin)
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            yield Finding(subject, *clusters.fact_of_unreadable_register(cluster, admin))
            return None
    yield from (Finding(subject, *fact) for fact in found)
    return registered
