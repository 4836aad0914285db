"""The roles that create tenants' roles in the admin's place, so that nobody administers many.

Since PostgreSQL 16 who creates a role is its member for good, with ADMIN OPTION, and whenever a role is altered the
server walks through all roles that the current user is a member of (is_admin_of_role in its acl.c): what an admin of
thousands of tenants does becomes slower with each of them. A creator has a small share of the tenants, and SET ROLE
makes it the current user. May the admin not become its tenants' owners besides, SET ROLE has few to walk through. As a
creator is a member of the object role too, it hands over what was prepared: nothing asks what the admin is a member of.

A server before 16 has none, nor has one that was not prepared since they came, or not for this admin, one that it may
become: the admin then acts itself.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from provisioning import postgres
from provisioning.naming import TenantNames

NUMBER = 64
"""A creator has one of so many shares: about 50 of 3,000 tenants."""

SINCE = 160000
PREFIX = "provisioner_creator_"

OBJECT_ROLE = "provisioner_objects"
"""Owns what was prepared in a database before it has a tenant. It owns no database, and nobody logs in as it."""


def creator_of(owner_role: str) -> str:
    """Returns the creator whose share a new owner role with its login falls into."""
    return f"{PREFIX}{zlib.crc32(owner_role.encode()) % NUMBER}"


def is_creator(role: str | None) -> bool:
    """Tells whether it is the name of a creator."""
    return role is not None and role.startswith(PREFIX)


def acting(creator: str | None) -> sql.Composable:
    """Returns what makes the creator the current user until the end of the transaction; nothing without a creator."""
    return sql.SQL("SET LOCAL ROLE {};").format(sql.Identifier(creator)) if creator is not None else sql.SQL("")


def ensure_object_role(cursor: Cursor) -> None:
    """Creates the cluster's one role that owns what no tenant owns yet; who creates it is its member.

    Raises psycopg2.Error.
    """
    cursor.execute("SELECT to_regrole(%s) IS NOT NULL", (OBJECT_ROLE,))
    if cursor.fetchone() != (True,):
        with suppress(errors.DuplicateObject, errors.UniqueViolation):
            _run(cursor, "create_object_role")


def prepare(cursor: Cursor, admin_role: str, shared_roles: sql.Composable) -> None:
    """Makes the creators and the object role that are missing, and lets the admin role become each.

    As a superuser, or as the admin itself, which cannot grant itself what another admin has made.

    Raises psycopg2.Error.
    """
    if cursor.connection.server_version < SINCE:
        return
    ensure_object_role(cursor)
    there, admin = find(cursor, admin_role), sql.Identifier(admin_role)
    if not there.get(OBJECT_ROLE):
        _run(cursor, "join_object_role", admin=admin)
    for creator in (f"{PREFIX}{number}" for number in range(NUMBER)):
        if not there.get(creator):
            missing = ("join_creator",) if creator in there else ("make_creator", "join_creator")
            _run(cursor, *missing, creator=sql.Identifier(creator), admin=admin, shared_roles=shared_roles)


def find(cursor: Cursor, admin_role: str) -> dict[str, bool]:
    """Returns the creators and the object role that are there, each with whether all that it needs is granted."""
    cursor.execute(postgres.statement("find_creators"), {"admin": admin_role, "prefix": PREFIX, "objects": OBJECT_ROLE})
    return dict(cursor.fetchall())


@contextmanager
def becoming_owner(connection: Connection, names: TenantNames) -> Iterator[str | None]:
    """Lets the admin, inside, SET ROLE to the owner of a new tenant; outside nobody needs it.

    Yields the tenant's creator, who may as well, or None where the admin acts itself. Raises psycopg2.Error.
    """
    creator = None
    if connection.server_version >= SINCE:
        with connection.cursor() as cursor:
            cursor.execute(postgres.statement("find_administrator"), {"role": names.owner_role})
            administrator, may_become = cursor.fetchone() or (None, True)
            creator = administrator if is_creator(administrator) else None
            if not may_become:
                _grant(cursor, "may_become", creator, names)
    yield creator
    if creator is not None:
        with connection.cursor() as cursor:
            _grant(cursor, "may_not_become", creator, names)


def _grant(cursor: Cursor, statement: str, creator: str | None, names: TenantNames) -> None:
    roles = {"owner": sql.Identifier(names.owner_role), "login": sql.Identifier(names.login_role)}
    _run(cursor, statement, actor=creator, **roles)


def _run(cursor: Cursor, *statements: str, actor: str | None = None, **roles: sql.Composable) -> None:
    composed = sql.SQL(postgres.statement(*statements)).format(objects=sql.Identifier(OBJECT_ROLE), **roles)
    cursor.execute(sql.Composed([acting(actor), composed]))
