"""Open a tenant's database that its owner has closed, for one session of the admin's, and close it again."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN
from provisioning.cluster.blocking import LOCK_TIMEOUT, Admin
from provisioning.queries import Query

QUERIES = queries.load(__file__)
DATABASE_OF_A_TENANT = re.compile("tenant_([a-z]{20})")
INVALID = -2
"""The connection limit of a database whose removal was interrupted."""
CLOSINGS = 10
"""How often a database is closed again while a lock blocks that; each takes a second at most."""


class LeftOpen(postgres.Busy):
    """A tenant's database that was opened for the admin, and that a lock has kept from being closed again."""


class _Access(NamedTuple):
    owner: str
    allow_connections: bool
    connection_limit: int
    may_connect: bool


@contextmanager
def entered(admin: Admin, database: str) -> Iterator[Connection]:
    """Yield a session of the admin's in a database, even in a tenant's that refuses connections or is full.

    Such a database is opened as its owner, and closed again as soon as the session exists. A process that dies in
    between, or whose session a job of that tenant ends, leaves it open to the admin and without its own connection
    limit. Raise LeftOpen if a lock keeps it open, and psycopg2.OperationalError if the admin cannot connect, or a job
    of that tenant is at work.
    """
    try:
        inside = sessions.connect(admin.cluster, database)
    except psycopg2.OperationalError:
        tenant = DATABASE_OF_A_TENANT.fullmatch(database)
        found = sessions.fetch(admin.session, _Access, QUERIES["find_access"], database_name=database)
        if tenant is None or not found or found[0].connection_limit == INVALID:
            raise
        if found[0].owner in admin.own_roles:
            inside = _connect_to_closed(admin, database, found[0], admin.becoming)
        else:
            inside = _connect_to_anothers(admin, database, found[0])
    with closing(inside):
        yield inside


def _connect_to_anothers(admin: Admin, database: str, found: _Access) -> Connection:
    # Only until the database is closed again: a job of its tenant that waits for the lock ends the session that has it.
    with admin.holding([found.owner]) as (holder, may_be_joined):
        if not may_be_joined:
            raise postgres.Busy(f"a job of the tenant of {database} is at work")
        with acting.joined(admin.session, may_be_joined) as actors:
            if found.owner not in actors:
                raise postgres.Busy(f"the admin may not act as the owner of {database}")
            return _connect_to_closed(holder, database, found, actors[found.owner].becoming)


def _connect_to_closed(admin: Admin, database: str, found: _Access, becoming: sql.Composable) -> Connection:
    def changed(*sent: Query) -> bool:
        values = {"database": sql.Identifier(database)} | found._asdict()
        return admin.send(sql.Composed([LOCK_TIMEOUT, becoming, postgres.composed(*sent, **values), ADMIN_AGAIN]))

    granted = [] if found.may_connect else [QUERIES["grant_connect_to_the_admin"]]
    if not changed(QUERIES["open_to_the_admin"], *granted):
        raise postgres.Busy(f"a lock holds up the admin in {database}")
    with ExitStack() as failing:
        try:
            inside = sessions.connect(admin.cluster, database)
            failing.callback(inside.close)
        finally:
            revoked = [] if found.may_connect else [QUERIES["revoke_connect_from_the_admin"]]
            if not any(changed(QUERIES["close_as_before"], *revoked) for _ in range(CLOSINGS)):
                before = f"ALLOW_CONNECTIONS {found.allow_connections} CONNECTION LIMIT {found.connection_limit}"
                raise LeftOpen(f"a lock keeps {database} open; before, it had {before}")
        failing.pop_all()
    return inside
