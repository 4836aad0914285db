"""The roles that create tenants' roles in the admin's place, so that nobody administers many.

Since PostgreSQL 16 who creates a role is its member for good, with ADMIN OPTION, and whenever a role is altered the
server walks through all roles that the current user is a member of (is_admin_of_role in its acl.c): what an admin of
thousands of tenants does becomes slower with each of them. A creator has a small share of the tenants, and SET ROLE
makes it the current user. May the admin not become its tenants' owners besides, SET ROLE has few to walk through.

A server before 16 has none, nor has one that was not prepared since they came, or not for this admin, one that it may
become: the admin then acts itself.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from provisioning import postgres
from provisioning.naming import TenantNames

NUMBER = 64
"""A creator has one of so many shares: about 50 of 3,000 tenants."""

SINCE = 160000
PREFIX = "provisioner_creator_"


def creator_of(owner_role: str) -> str:
    """Returns the creator whose share a new owner role with its login falls into."""
    return f"{PREFIX}{zlib.crc32(owner_role.encode()) % NUMBER}"


def is_creator(role: str | None) -> bool:
    """Tells whether it is the name of a creator."""
    return role is not None and role.startswith(PREFIX)


def acting(creator: str | None) -> sql.Composable:
    """Returns what makes the creator the current user until the end of the transaction; nothing without a creator."""
    return sql.SQL("SET LOCAL ROLE {};").format(sql.Identifier(creator)) if creator is not None else sql.SQL("")


def prepare(cursor: Cursor, admin_role: str, shared_roles: sql.Composable) -> None:
    """Makes the creators that are missing and lets the admin role become each. Raises psycopg2.Error.

    As a superuser, or as the admin itself, which cannot grant itself what another admin has made.
    """
    if cursor.connection.server_version < SINCE:
        return
    cursor.execute(postgres.statement("find_creators"), {"admin": admin_role, "prefix": PREFIX})
    there = dict(cursor.fetchall())
    for creator in (f"{PREFIX}{number}" for number in range(NUMBER)):
        if not there.get(creator):
            missing = ("join_creator",) if creator in there else ("make_creator", "join_creator")
            cursor.execute(
                sql.SQL(postgres.statement(*missing)).format(
                    creator=sql.Identifier(creator), admin=sql.Identifier(admin_role), shared_roles=shared_roles
                )
            )


@contextmanager
def becoming_owner(connection: Connection, names: TenantNames) -> Iterator[None]:
    """Lets the admin, inside, SET ROLE to the owner of a new tenant; outside nobody needs it. Raises psycopg2.Error."""
    creator = None
    if connection.server_version >= SINCE:
        with connection.cursor() as cursor:
            cursor.execute(postgres.statement("find_administrator"), {"role": names.owner_role})
            administrator, may_become = cursor.fetchone() or (None, True)
            creator = administrator if is_creator(administrator) else None
            if not may_become:
                _grant(cursor, "may_become", creator, names)
    yield
    if creator is not None:
        with connection.cursor() as cursor:
            _grant(cursor, "may_not_become", creator, names)


def _grant(cursor: Cursor, statement: str, creator: str | None, names: TenantNames) -> None:
    granted = sql.SQL(postgres.statement(statement)).format(
        owner=sql.Identifier(names.owner_role), login=sql.Identifier(names.login_role)
    )
    cursor.execute(sql.Composed([acting(creator), granted]))
