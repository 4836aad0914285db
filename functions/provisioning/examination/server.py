"""Examine a cluster's server for what its tenants together can use up."""

from collections.abc import Iterator
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.cluster import connections, creators
from provisioning.cluster import session as sessions
from provisioning.cluster.connections import Connections
from provisioning.tenant.making import CONNECTION_LIMIT

QUERIES = queries.load(__file__)
Fact = tuple[str, str]
"""What is wrong, and what mends it."""

SUPERUSER = "on the cluster, as a superuser"
SERVER = "on the server, as a superuser"
RELOAD = "SELECT pg_reload_conf();"
TEMPORARY_FILES, KEPT_WAL = "1GB", "10GB"
HALF_FULL = 50
"""Percent of the queue of notifications at which PostgreSQL itself begins to warn (NOTIFY in its documentation)."""

VISITS_PER_SECOND = 10
"""The most databases with which autovacuum begins in a second (MIN_AUTOVAC_SLEEPTIME in PostgreSQL's autovacuum.c)."""

LATE = 1.5
"""How often autovacuum_freeze_max_age a database may be old, before vacuuming does not keep up or is held up."""

OLD_TRANSACTIONS = (
    "SELECT 'session' AS kind, usename AS who, age(backend_xmin) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL"
    " UNION ALL SELECT 'prepared transaction', gid, age(transaction) FROM pg_prepared_xacts"
    " UNION ALL SELECT 'slot', slot_name, age(coalesce(xmin, catalog_xmin)) FROM pg_replication_slots"
    " ORDER BY age DESC NULLS LAST LIMIT 5;"
)

WANTED = 50
"""The connections that a server should keep: the stages of a deployment with the default MaximumParallelJobs open at
most as many on a cluster (template.yaml).
"""


class Server(NamedTuple):
    """What all tenants of a server use together."""

    limits_temporary_files: bool
    limits_slots: bool
    may_have_slots: bool
    notifications: int
    """Percent of the queue."""
    vacuums: bool
    nap_seconds: int
    databases: int
    oldest: str
    """The database whose oldest row was frozen the longest ago, counted in transactions."""
    oldest_age: int
    freeze_age: int


def find(session: Connection) -> Server:
    """Return what all tenants of a server use together. Raise psycopg2.Error."""
    (found,) = sessions.fetch(session, Server, QUERIES["find_server"])
    return found


def facts(server: Server) -> Iterator[Fact]:
    """Yield each finding about what one tenant can use up for all, with its remedy."""
    if not server.limits_temporary_files:
        setting = f"ALTER SYSTEM SET temp_file_limit = '{TEMPORARY_FILES}'; {RELOAD}"
        yield "one statement can fill the disk with temporary files", f"{SERVER}: {setting}"
    if server.may_have_slots and not server.limits_slots:
        setting = f"ALTER SYSTEM SET max_slot_wal_keep_size = '{KEPT_WAL}'; {RELOAD}"
        yield "a replication slot that nobody reads keeps WAL until the disk is full", f"{SERVER}: {setting}"
    if server.notifications >= HALF_FULL:
        fact = f"the queue of notifications is {server.notifications} % full; once it is full, no tenant can NOTIFY"
        yield fact, f"{SERVER}, end the oldest session that listens in a transaction: {OLD_TRANSACTIONS}"
    if not server.vacuums:
        yield "autovacuum is off", f"{SERVER}: ALTER SYSTEM SET autovacuum = on; {RELOAD}"
    elif server.databases > VISITS_PER_SECOND * server.nap_seconds:
        fact = f"{server.databases} databases are more than autovacuum can visit every {server.nap_seconds} s"
        setting = f"ALTER SYSTEM SET autovacuum_naptime = '{nap_seconds(server.databases)}s'; {RELOAD}"
        yield fact, f"{SERVER}: {setting}"
    if server.oldest_age > LATE * server.freeze_age:
        fact = f"the database {server.oldest} has not been frozen for {server.oldest_age:,} transactions"
        yield fact, f"{SERVER}, end what holds it up, then run VACUUM (FREEZE) in it: {OLD_TRANSACTIONS}"


def nap_seconds(databases: int) -> int:
    """Return the autovacuum_naptime for so many databases: 60 s, or twice as long as visiting them takes."""
    return max(60, -(-2 * databases // VISITS_PER_SECOND))


def facts_of_connections(session: Connection, found: Connections, capacity: int) -> Iterator[Fact]:
    """Yield each finding about a server's connections for this many tenants, with its remedy."""
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
    taking = -(-found.ordinary // CONNECTION_LIMIT)
    return (
        f"{found.ordinary} of {found.maximum} connections for tenants, of which {taking} tenants can take all,"
        f" {found.kept} kept for the admin"
    )


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
