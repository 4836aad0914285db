"""A session on a tenant's cluster: as its admin, in its maintenance database, holding the tenant's lock.

Every effect on a tenant's database and roles goes over the session that holds the tenant's lock. An attempt that was
given up has either lost that session, and can do nothing, or holds the lock, and then nothing has happened since.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import creator_roles, postgres, tenant_secret
from provisioning.control_plane import Cluster

STATEMENT_TIMEOUT_SECONDS = 40
SHARED_ROLES = ("anon", "authenticated", "service_role")

_environment = threading.local()


@contextmanager
def tenant_session(cluster: Cluster, database_name: str) -> Iterator[Connection]:
    """Yields this environment's session on the cluster, holding the lock of the tenant's database.

    The caller holds the stage in the ledger, so whoever else holds this lock was given up, and its session is ended.
    The caller then checks its attempt once: from there on the lock guards every statement. Raises psycopg2.Error.
    """
    with looking_session(cluster, database_name, "find_held") as (session, _):
        yield session


@contextmanager
def looking_session(
    cluster: Cluster, database_name: str, look: str, **parameters: object
) -> Iterator[tuple[Connection, Any]]:
    """Yields the same, and what sql/{look}.sql found in the round trip that took the lock, after it was taken."""
    session, row = _held_session(cluster, database_name, look, parameters)
    try:
        yield session, row
    finally:
        if not session.closed:
            with session.cursor() as cursor:
                cursor.execute(postgres.statement("release_stage"))


def hold(session: Connection, database_name: str, look: str = "find_held", **parameters: object) -> Any:
    """Takes the tenant's lock in the database of the session, ending whoever holds it, and returns what the look found.

    The first column of the look says whether the lock is held. What the session held before is an ended attempt's, and
    given back. Raises psycopg2.Error.
    """
    parameters |= {"name": database_name}
    with session.cursor() as cursor:
        cursor.execute(postgres.statement("lock_tenant", look), parameters)
        row = cursor.fetchone()
        if row is None or not row[0]:
            cursor.execute(postgres.statement("take_over_tenant"), parameters)
            cursor.execute(postgres.statement("lock_tenant", look), parameters)
            row = cursor.fetchone()
            if row is None or not row[0]:
                raise psycopg2.OperationalError("the tenant's lock is held")
        return row


def connect(cluster: Cluster, dbname: str | None = None) -> Connection:
    """Opens a connection as the cluster's admin to one of its databases. Raises psycopg2.Error."""
    document = tenant_secret.read(cluster.admin_secret_id)
    document |= {"host": cluster.host, "port": cluster.port}
    return postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS, dbname=dbname)


def prepare_cluster(connection: Connection, admin_role: str) -> None:
    """Makes a server ready for tenants; doing it again changes nothing.

    Creates the roles that all tenants share, lets the admin role grant them, makes the creators of tenants' roles, and
    shuts the maintenance databases to everyone else. The connection is the admin's own, which since PostgreSQL 16 may
    grant what it creates and cannot grant itself that, or a superuser's; only the databases' owner can shut them.
    Raises psycopg2.Error.
    """
    with connection, connection.cursor() as cursor:
        for role in SHARED_ROLES:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(sql.Identifier(role)))
            cursor.execute(postgres.statement("may_grant"), {"admin": admin_role, "role": role})
            if cursor.fetchone() == (False,):
                cursor.execute(
                    sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(sql.Identifier(role), sql.Identifier(admin_role))
                )
        creator_roles.prepare(cursor, admin_role, sql.SQL(", ").join(map(sql.Identifier, SHARED_ROLES)))
        cursor.execute(postgres.statement("own_maintenance_databases"))
        for (database,) in cursor.fetchall():
            names = sql.Identifier(database), sql.Identifier(admin_role)
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(names[0]))
            cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))


def _held_session(
    cluster: Cluster, database_name: str, look: str, parameters: dict[str, object]
) -> tuple[Connection, Any]:
    """Returns this environment's session and what the look found; taking the lock shows whether the session lives."""
    sessions = cast("dict[str, Connection]", _environment.__dict__.setdefault("sessions", {}))
    session = sessions.get(cluster.cluster_id)
    if session is not None and not session.closed:
        try:
            return session, hold(session, database_name, look, **parameters)
        except psycopg2.Error:
            session.close()
    session = sessions[cluster.cluster_id] = connect(cluster)
    return session, hold(session, database_name, look, **parameters)
