"""What makes a server ready for tenants: shared roles, closed maintenance databases, register, first creators."""

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.cluster import connections, creators, shared_roles
from provisioning.cluster import session as sessions
from provisioning.cluster.session import QUERIES, REGISTER

FIRST_CREATORS = 4
"""Several, so that concurrent jobs do not wait for one creator's count of tenants."""


class _Database(NamedTuple):
    datname: str


class _Creator(NamedTuple):
    name: str


def prepare_cluster(connect: Callable[[str], Connection], admin_role: str) -> None:
    """Make a server ready for tenants; repeating it makes and grants what is missing.

    `connect` opens a connection to a database of the server, as the admin itself or as a superuser. Afterwards the
    admin may grant the shared roles, and owns the register and the creators. It may use the connections that the server
    keeps, if the current user may grant that. Only their owner can close the maintenance databases. Raise
    Misconfigured, before anything is changed, if a shared role has powers, and psycopg2.Error.
    """
    admin = sql.Identifier(admin_role)
    with closing(connect("postgres")) as session:
        shared_roles.prepare(session, admin_role)
        connections.grant(session, admin_role)
        for (database,) in sessions.fetch(session, _Database, QUERIES["find_maintenance_databases"]):
            _close(session, database, admin)
        with session.cursor() as cursor:
            try:
                statement = "CREATE DATABASE {} OWNER {} TEMPLATE template0 CONNECTION LIMIT -1"
                cursor.execute(sql.SQL(statement).format(sql.Identifier(REGISTER), admin))
            except errors.DuplicateDatabase:
                pass
        _close(session, REGISTER, admin)
    with closing(connect(REGISTER)) as session:
        with session.cursor() as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(admin))
        sessions.send(session, QUERIES["make_register"])
        if session.server_version >= creators.SINCE:
            existing = sessions.fetch(session, _Creator, QUERIES["forget_lost_creators"], QUERIES["find_creators"])
            for (name,) in existing:
                creators.grant(session, name)
            for _ in range(FIRST_CREATORS - len(existing)):
                creators.make(session)


def _close(session: Connection, database: str, admin: sql.Identifier) -> None:
    names = sql.Identifier(database), admin
    with session.cursor() as cursor:
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(names[0]))
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))
