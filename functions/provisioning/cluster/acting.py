"""The admin acts as another role of its server for a while: as a tenant's owner, or as who has granted something.

Since PostgreSQL 16 who may grant a role is who has ADMIN OPTION on it: of a tenant's roles its creator, who then joins
them for that time, so that the admin itself stays a member of few. Of any other role it is the admin, who grants it to
itself. Before 16 the admin may grant itself every role that is no superuser's.
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
    """A role that the admin may act as, and how it may."""

    role: str
    administrator: str | None
    may_act: bool = False
    """Whether the admin may in any case."""

    @property
    def becoming(self) -> sql.Composable:
        """What makes who may act as the role the current user: its creator, or nobody where the admin acts itself."""
        return creators.becoming(self.administrator if creators.is_creator(self.administrator) else None)


Change = Callable[[Actor], sql.Composed]
"""What is sent to join a role, or to leave it."""


class _Name(NamedTuple):
    role: str


@contextmanager
def joined(session: Connection, roles: Sequence[str]) -> Iterator[dict[str, Actor]]:
    """Let the admin SET ROLE to these of the server's roles inside the block, and yield them by name.

    One that nobody here may grant is left out. An exit by an exception leaves the memberships, and the session is to be
    closed; the next who joins ends them. Raise psycopg2.Error.
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
    """Return how the admin may act as these of the server's roles, by name. Raise psycopg2.Error."""
    if not roles:
        return {}
    option = "SET" if session.server_version >= creators.SINCE else "MEMBER"
    found = sessions.fetch(session, Actor, QUERIES["find_roles"], roles=_array(roles), option=option)
    return {actor.role: actor for actor in found}


def joining(actor: Actor) -> sql.Composed:
    """Return what lets the admin SET ROLE to the role."""
    return _as_administrator(actor, "join_role")


def leaving(actor: Actor) -> sql.Composed:
    """Return what takes from the admin what joining has given."""
    return _as_administrator(actor, "leave_role")


def within(actor: Actor, message: sql.Composable) -> sql.Composed:
    """Return a message that is sent by who is a member of the role for as long: one transaction, or nothing of it."""
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
    """Return those of the names that are roles of the server. Raise psycopg2.Error."""
    return {row.role for row in sessions.fetch(session, _Name, QUERIES["find_role_names"], roles=_array(roles))}


def as_role(role: str) -> sql.Composed:
    """Return what makes the role the current user of the session."""
    return sql.SQL("SET ROLE {};").format(sql.Identifier(role))


def _as_administrator(actor: Actor, query: str) -> sql.Composed:
    return sql.Composed(
        [actor.becoming, postgres.composed(QUERIES[query], role=sql.Identifier(actor.role)), ADMIN_AGAIN]
    )


def _array(names: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::text[]").format(sql.Literal(list(names)))
