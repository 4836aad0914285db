"""Examine a cluster's server: what all of its tenants together can use up."""

from collections.abc import Iterator

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli.doctor_roles import SUPERUSER
from cli.doctor_tenants import Fact
from provisioning.cluster import connections, creators
from provisioning.cluster.connections import Connections
from provisioning.tenant.making import CONNECTION_LIMIT

WANTED = 40
"""The connections that a server should keep: a deployment with the default MaximumParallelJobs opens at most as many on
a cluster (template.yaml).
"""


def facts_of_connections(session: Connection, found: Connections, capacity: int) -> Iterator[Fact]:
    """Yield what is wrong with a server's connections for this many tenants, each with what mends it."""
    taking = -(-found.ordinary // CONNECTION_LIMIT)
    if capacity > found.ordinary:
        fact = f"{capacity} databases share {found.ordinary} connections, so not every tenant can have one"
        yield fact, "on the server: raise max_connections and restart it; or lower the cluster's capacity"
    if capacity >= taking and not found.kept:
        fact = (
            f"none of {found.maximum} connections is kept for the admin: {taking} tenants with {CONNECTION_LIMIT} each"
            " stop every job and every rollback"
        )
        yield fact, _keeping(session, found)


def told(found: Connections) -> str:
    """Return a server's connections in words."""
    return f"{found.ordinary} of {found.maximum} connections for tenants, {found.kept} kept for the admin"


def _keeping(session: Connection, found: Connections) -> str:
    if session.server_version < creators.SINCE:
        # superuser_reserved_connections are for superusers, which the admin should not be.
        most = max((found.ordinary - 1) // CONNECTION_LIMIT, 0)
        return f"upgrade the server to PostgreSQL 16, or lower the cluster's capacity to {most}"
    if not found.reserved:
        return (
            f"on the server, as a superuser: ALTER SYSTEM SET reserved_connections = {WANTED}; then restart it, and"
            " repeat provision cluster add"
        )
    statement = sql.SQL("GRANT {} TO {} WITH INHERIT TRUE;").format(connections.ROLE, sql.Identifier(session.info.user))
    return f"{SUPERUSER}: {statement.as_string(session)}"
