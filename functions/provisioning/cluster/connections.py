"""The connections of a server: how many tenants may take, and how many are kept for the admin.

A tenant's login has a limit of its own, but a server has fewer connections than the limits of its tenants together. So
tenants can take all of them, and without any that are kept for the admin no job could go on, roll back or suspend one.
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
    """Those that any login may take."""
    reserved: int
    """Those that PostgreSQL keeps for the roles that it lets use them; 0 before PostgreSQL 16."""
    kept: int
    """Those that the current user may take when tenants have taken all ordinary ones; 0 is none."""


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
