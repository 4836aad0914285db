"""The connections of a server: how many tenants may take, and how many are reserved for the admin.

A tenant's login has a limit of its own, but the limits of all tenants together exceed a server's connections. So
tenants can take every connection; without some for the admin no job could continue, roll back or suspend a tenant.
"""

from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.cluster import creators
from provisioning.cluster import session as sessions

QUERIES = queries.load(__file__)
ROLE = sql.Identifier("pg_use_reserved_connections")


class Connections(NamedTuple):
    """A server's connections."""

    maximum: int
    ordinary: int
    """Any login may take these."""
    reserved: int
    """PostgreSQL reserves these for members of pg_use_reserved_connections; 0 before PostgreSQL 16."""
    kept: int
    """The current user may take these when tenants have taken all ordinary ones."""


def find(session: Connection) -> Connections:
    """Return the server's connections, as the current user may use them. Raise psycopg2.Error."""
    (found,) = sessions.fetch(session, Connections, QUERIES["find_connections"])
    return found


def grant(session: Connection, role: str) -> None:
    """Let a role use the server's reserved connections, if the server has them and we may grant that.

    Raise psycopg2.Error.
    """
    if session.server_version < creators.SINCE:
        return
    statement = sql.SQL("GRANT {} TO {} WITH INHERIT TRUE").format(ROLE, sql.Identifier(role))
    try:
        with session.cursor() as cursor:
            cursor.execute(statement)
    except errors.InsufficientPrivilege:
        # Only a superuser may grant it; provision doctor reports that.
        pass
