"""Let the admin act temporarily as another role of its server: as a tenant's owner, or as a grantor.

Since PostgreSQL 16 only a role that has ADMIN OPTION on a role can grant it. For a tenant's roles that is their
creator, which joins them for that time, so the admin itself stays a member of few roles. For any other role it is the
admin, which grants the role to itself. Before 16 the admin can grant itself every role that is not a superuser.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.cluster.creators import ADMIN_AGAIN
from provisioning.cluster.session import QUERIES

__all__ = ["ADMIN_AGAIN"]


class Actor(NamedTuple):
    """A role that the admin may act as, and how."""

    role: str
    administrator: str | None
    may_act: bool = False
    """Whether the admin may act as the role without joining it first."""

    @property
    def becoming(self) -> sql.Composable:
        """The statement that makes the role's creator the current user; empty where the admin acts itself."""
        return creators.becoming(creators.of_role(self.administrator))


Change = Callable[[Actor], sql.Composed]
"""Composes the message that joins or leaves a role."""


class _Name(NamedTuple):
    role: str


@contextmanager
def joined(session: Connection, roles: Sequence[str]) -> Iterator[dict[str, Actor]]:
    """Let the admin SET ROLE to these roles inside the block, and yield them by name.

    A role that nobody here may grant is omitted. If the block raises, the memberships stay and the caller must close
    the session; the next use of the role ends them. Raise psycopg2.Error.
    """
    found, left = find(session, roles), list[Actor]()
    for actor in [one for one in found.values() if not one.may_act]:
        try:
            send(session, joining(actor))
            left.append(actor)
        except errors.InsufficientPrivilege:
            del found[actor.role]
    yield found
    for actor in left:
        send(session, leaving(actor))


def find(session: Connection, roles: Sequence[str]) -> dict[str, Actor]:
    """Return how the admin may act as those of the roles that exist, by name. Raise psycopg2.Error."""
    if not roles:
        return {}
    option = "SET" if session.server_version >= creators.SINCE else "MEMBER"
    found = sessions.fetch(
        session, Actor, QUERIES["find_roles"], roles=_array(roles), option=option, keeper=creators.KEEPER
    )
    return {actor.role: actor for actor in found}


def joining(actor: Actor) -> sql.Composed:
    """Return the message that lets the admin SET ROLE to the role."""
    return _as_administrator(actor, "join_role")


def leaving(actor: Actor) -> sql.Composed:
    """Return the message that revokes what joining granted."""
    return _as_administrator(actor, "leave_role")


def within(actor: Actor, message: sql.Composable) -> sql.Composed:
    """Return the message inside a temporary membership of the role, as one transaction."""
    join, leave = (
        postgres.composed(QUERIES[name], role=sql.Identifier(actor.role)) for name in ("join_role", "leave_role")
    )
    if actor.may_act:
        return sql.Composed([message])
    return sql.Composed([actor.becoming, join, message, leave, ADMIN_AGAIN])


def send(session: Connection, message: sql.Composable) -> None:
    """Send a message. Raise psycopg2.Error."""
    with session.cursor() as cursor:
        cursor.execute(message)


def existing(session: Connection, roles: Sequence[str]) -> set[str]:
    """Return which of the names are roles of the server. Raise psycopg2.Error."""
    return {row.role for row in sessions.fetch(session, _Name, QUERIES["find_role_names"], roles=_array(roles))}


def as_role(role: str) -> sql.Composed:
    """Return the statement that makes the role the current user of the session."""
    return sql.SQL("SET ROLE {};").format(sql.Identifier(role))


def _as_administrator(actor: Actor, query: str) -> sql.Composed:
    return sql.Composed(
        [actor.becoming, postgres.composed(QUERIES[query], role=sql.Identifier(actor.role)), ADMIN_AGAIN]
    )


def _array(names: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::text[]").format(sql.Literal(list(names)))
