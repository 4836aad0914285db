"""Open a tenant's database that its owner has closed, for one session of the admin's, and close it again.

The register has what is to be put back from the transaction that opens the database until the one that closes it. If a
process dies in between, the next job of the tenant or Reconcile closes it (closing.py).
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN
from provisioning.cluster.blocking import LOCK_TIMEOUT, Admin
from provisioning.queries import Query

QUERIES = queries.load(__file__)
DATABASE_OF_A_TENANT = re.compile("tenant_([a-z]{20})")
INVALID = -2
"""The connection limit of a database whose removal was interrupted."""
NO_LIMIT = -1
OPENED_LIMIT = 262_143
"""The most connections that any server can have (MAX_BACKENDS in PostgreSQL's postmaster.h). So it limits nothing, and
an owner that changes the limit meanwhile sets another.
"""

CLOSINGS = 10
"""How often a database is closed again while a lock blocks that; each takes a second at most."""


class _Access(NamedTuple):
    owner: str
    allow_connections: bool
    connection_limit: int
    may_connect: bool

    @property
    def limit_to_restore(self) -> int | None:
        """None if there is nothing to change."""
        return None if self.connection_limit in (NO_LIMIT, OPENED_LIMIT) else self.connection_limit

    @property
    def is_open(self) -> bool:
        """Whether nothing of this keeps the admin out."""
        return self.allow_connections and self.may_connect and self.limit_to_restore is None


class Opened(NamedTuple):
    """What was changed in a database so that the admin could enter it."""

    database: str
    connection_limit: int | None
    """The owner's own; None if it was not changed."""
    refuses_connections: bool
    refuses_admin: bool
    owner: str | None
    """None: there is no such database any more."""


@contextmanager
def entered(admin: Admin, database: str) -> Iterator[Connection]:
    """Yield a session of the admin's in a database, even in a tenant's that refuses connections or is full.

    Such a database is opened as its owner, and closed again as soon as the session exists. If a lock prevents that for
    ten seconds, the database stays open, and the register has what to put back. Raise psycopg2.OperationalError if the
    admin cannot connect, or a job of that tenant is at work.
    """
    try:
        inside = sessions.connect(admin.cluster, database)
    except psycopg2.OperationalError:
        tenant = DATABASE_OF_A_TENANT.fullmatch(database)
        found = sessions.fetch(admin.session, _Access, QUERIES["find_access"], database_name=database)
        if tenant is None or not found or found[0].connection_limit == INVALID or found[0].is_open:
            raise
        if found[0].owner in admin.own_roles:
            inside = _connect_to_closed(admin, database, found[0])
        else:
            inside = _connect_to_anothers(admin, database, found[0])
    with closing(inside):
        yield inside


def _connect_to_anothers(admin: Admin, database: str, found: _Access) -> Connection:
    # Only until the database is closed again: a job of its tenant that waits for the lock ends the session that has it.
    with admin.acting_as(found.owner) as holder:
        if holder is None:
            raise postgres.Busy(f"a job of the tenant of {database} is at work, or the admin may not act as its owner")
        return _connect_to_closed(holder, database, found)


def _connect_to_closed(admin: Admin, database: str, found: _Access) -> Connection:
    refuses = {"refuses_connections": not found.allow_connections, "refuses_admin": not found.may_connect}
    values = {"connection_limit": found.limit_to_restore, "database_name": database, **refuses}
    recorded = postgres.composed(QUERIES["record_opened"], **values)
    opening = [
        *([QUERIES["open_limit"]] if found.limit_to_restore is not None else []),
        *([QUERIES["open_connections"]] if not found.allow_connections else []),
        *([QUERIES["grant_connect_to_the_admin"]] if not found.may_connect else []),
    ]
    if not admin.send(sql.Composed([LOCK_TIMEOUT, ADMIN_AGAIN, recorded, _as_owner(admin, database, opening)])):
        raise postgres.Busy(f"a lock holds up the admin in {database}")
    with ExitStack() as failing:
        try:
            inside = sessions.connect(admin.cluster, database)
            failing.callback(inside.close)
        finally:
            # A lock may outlast this. The register then has what to put back, and nobody waits for that.
            any(close_again(admin, database) for _ in range(CLOSINGS))
        failing.pop_all()
    return inside


def find_opened(session: Connection, database: str | None = None) -> list[Opened]:
    """Return what to put back in a database, or in all databases of the server. Raise psycopg2.Error."""
    asked = postgres.composed(QUERIES["find_opened"], database_name=database)
    # A removal that enters its tenant's own database is acting as the roles' creator.
    return sessions.fetch_composed(session, Opened, sql.Composed([ADMIN_AGAIN, asked]))


def close_again(admin: Admin, database: str) -> bool:
    """Put back what was changed to enter a database, as its owner; return False while a lock blocks it.

    Nothing happens if nothing was changed, or if it was put back already. A limit that the owner has set since then
    stays. The caller holds the tenant's lock. Raise psycopg2.Error.
    """
    for opened in find_opened(admin.session, database):
        restored: list[Query] = []
        if opened.owner is not None:
            restored = [
                QUERIES["take_back_nothing"],
                *([QUERIES["close_limit"]] if opened.connection_limit is not None else []),
                *([QUERIES["close_connections"]] if opened.refuses_connections else []),
                *([QUERIES["revoke_connect_from_the_admin"]] if opened.refuses_admin else []),
            ]
        as_before = _as_owner(admin, database, restored, opened.connection_limit)
        forgotten = postgres.composed(QUERIES["forget_opened"], database_name=database)
        if not admin.send(sql.Composed([LOCK_TIMEOUT, as_before, forgotten])):
            return False
    return True


def _as_owner(admin: Admin, database: str, changes: list[Query], connection_limit: int | None = None) -> sql.Composed:
    values = {"database": sql.Identifier(database), "database_name": database, "opened_limit": OPENED_LIMIT}
    changed = postgres.composed(*changes, **values, connection_limit=connection_limit)
    return sql.Composed([admin.becoming, changed, ADMIN_AGAIN])
