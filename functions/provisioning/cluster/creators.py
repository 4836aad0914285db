"""Roles that create tenants' roles instead of the admin, each for a share that does not grow with the fleet.

Since PostgreSQL 16 the creator of a role becomes its member permanently, with ADMIN OPTION. When a role is altered, the
server walks through all roles of which the current user is a member (is_admin_of_role in its acl.c), so an admin that
created all roles would become slower with each tenant. A creator therefore has at most 32 tenants, and the admin
becomes it with SET ROLE. It joins a tenant's roles only while it makes or removes them, so that SET ROLE finds few
memberships to follow. A server before 16 has no creators: the admin acts itself, and the keeper (keeper.py) holds the
roles for the creators of a later version.
"""

import string
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.cluster import session as sessions
from provisioning.cluster.session import QUERIES

SHARE = 32
"""How many tenants one creator makes roles for, at most."""

SINCE = 160000
PREFIX = "provisioner_creator_"
TENANT_ROLE = "^tenant_[a-z]{20}_(owner|login)$"
"""A regular expression of the names of tenants' roles."""

KEEPER = "provisioner_keeper"
"""Who has ADMIN OPTION on tenants' roles before 16, so that creators can get it after an upgrade (keeper.py)."""

SHARED_ROLES = ("anon", "authenticated", "service_role")
"""The roles that every tenant's login may take, according to the claims of a request."""


class Ungranted(NamedTuple):
    """Tenants whose roles nobody of ours may grant, and for how many more tenants the admin's creators have places."""

    tenants: int
    places: int


class Places(NamedTuple):
    """A creator with places, and roles that nobody of ours may grant, as many as it can be given."""

    creator: str
    roles: list[str]


def shared_roles() -> sql.Composable:
    """Return the shared roles as a list of identifiers."""
    return sql.SQL(", ").join(map(sql.Identifier, SHARED_ROLES))


def for_new_tenant(session: Connection, free: str | None) -> str | None:
    """Return the creator that makes the next tenant's roles: the free one that was found, or else a new one.

    None where the admin acts itself. Raise psycopg2.Error.
    """
    if session.server_version < SINCE:
        return None
    return free if free is not None else make(session)


def make(session: Connection) -> str:
    """Make a creator that the admin may become, and return its name. Raise psycopg2.Error."""
    import secrets

    name = PREFIX + "".join(secrets.choice(string.ascii_lowercase) for _ in range(10))
    sessions.send(session, QUERIES["make_creator"], QUERIES["prepare_creator"], **_names(name))
    return name


def grant(session: Connection, name: str) -> None:
    """Let the admin become a creator, and the creator grant the shared roles, as make does. Raise psycopg2.Error."""
    sessions.send(session, QUERIES["prepare_creator"], **_names(name))


def find_ungranted(session: Connection, admin: str) -> Ungranted:
    """Return how many tenants came from a server before 16, where a role has no administrator. Raise psycopg2.Error."""
    if session.server_version < SINCE:
        return Ungranted(0, 0)
    (found,) = sessions.fetch(session, Ungranted, QUERIES["find_ungranted"], **_of(admin))
    return found


def find_places(session: Connection, admin: str) -> list[Places]:
    """Return to which of the admin's creators such tenants' roles can be given. Raise psycopg2.Error."""
    return sessions.fetch(session, Places, QUERIES["find_places"], **_of(admin))


def granting(session: Connection, admin: str) -> str:
    """Return the statements with which a superuser gives such tenants' roles to the admin's creators, on one line.

    They grant as if a creator had made them. Reconcile then counts the creators' tenants again. Raise psycopg2.Error.
    """
    statement = sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;")
    return " ".join(
        statement.format(sql.SQL(", ").join(map(sql.Identifier, one.roles)), sql.Identifier(one.creator)).as_string(
            session
        )
        for one in find_places(session, admin)
    )


def is_creator(role: str | None) -> bool:
    """Return whether the role is a creator."""
    return role is not None and role.startswith(PREFIX)


def of_role(administrator: str | None) -> str | None:
    """Return the creator of a role, given its administrator; None where the admin acts itself."""
    return administrator if is_creator(administrator) else None


def becoming(creator: str | None) -> sql.Composable:
    """Return the statement that makes the creator the current user of the session; empty without a creator."""
    return sql.SQL("SET ROLE {};").format(sql.Identifier(creator)) if creator is not None else sql.SQL("")


ADMIN_AGAIN = sql.SQL("RESET ROLE;")


def taken(creator: str | None) -> sql.Composable:
    """Return the statement that counts one more tenant of the creator, for the transaction that creates its roles."""
    return _counted("record_creator_taken", creator)


def freed(creator: str | None) -> sql.Composable:
    """Return the statement that counts one tenant of the creator less, for the transaction that drops its roles."""
    return _counted("record_creator_freed", creator)


def _names(name: str) -> dict[str, object]:
    return {"name": name, "creator": sql.Identifier(name), "shared_roles": shared_roles()}


def _of(admin: str) -> dict[str, object]:
    return {"admin": admin, "prefix": PREFIX, "share": SHARE, "tenant_role": TENANT_ROLE}


def _counted(query: str, creator: str | None) -> sql.Composable:
    return postgres.composed(QUERIES[query], name=creator) if creator is not None else sql.SQL("")
