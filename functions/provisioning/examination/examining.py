"""Examine a cluster: its admin, server, register and creators; then its roles and its tenants.

Every session on it is read-only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.aws import secrets
from provisioning.aws.documents import LOGIN
from provisioning.cluster import connections
from provisioning.cluster.connections import Connections
from provisioning.control_plane import Cluster
from provisioning.examination import clusters, roles, server, tenants
from provisioning.examination.clusters import Admin
from provisioning.examination.known import Known, RegisteredTenant
from provisioning.examination.server import Fact


class Seen(NamedTuple):
    """What an examination has seen of a cluster, besides what is wrong."""

    admin: Admin
    server_version: str
    connections: Connections
    registered: list[RegisteredTenant]
    """Empty also if the register cannot be read."""


@dataclass
class Examination:
    """An examination of one cluster."""

    cluster: Cluster
    known: Known
    seen: Seen | None = None
    """None until the examination has come to its end."""

    def facts(self) -> Iterator[Fact]:
        """Yield whether the admin can connect and may do what the stages do, what roles may that they should not, and
        what only one of control plane, register and server knows, each with what mends it.

        Raise psycopg2.Error and ProvisioningError.
        """
        cluster, known = self.cluster, self.known
        dbname = secrets.read(cluster.admin_secret_id, LOGIN).get("dbname", "postgres")
        before = known.find_tenants()
        with clusters.reading(cluster, dbname) as session:
            admin = clusters.find_admin(session)
            yield from clusters.facts_of_admin(session, cluster, admin)
            found = connections.find(session)
            yield from server.facts_of_connections(session, found, cluster.capacity)
            yield from server.facts(server.find(session))
            registered, facts = _read_register(session, cluster, admin)
            yield from facts
            view = tenants.look(session, cluster, known, before, registered)
            known.seen |= set(view.conditions)
            yield from roles.facts(session, view, admin_is_superuser=admin.is_superuser)
            yield from tenants.facts(session, view)
            version = f"{session.server_version // 10000}.{session.server_version % 10000}"
            self.seen = Seen(admin, version, found, registered or [])


def _read_register(
    session: Connection, cluster: Cluster, admin: Admin
) -> tuple[list[RegisteredTenant] | None, list[Fact]]:
    """Return the register's tenants, None if it cannot be read, and what is wrong with it and the creators."""
    if not clusters.may_read_register(session, admin):
        return None, []
    with clusters.reading(cluster) as inside:
        try:
            return tenants.find_registered(inside), clusters.facts_of_register(inside, cluster, admin)
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            return None, [clusters.fact_of_unreadable_register(cluster, admin)]
