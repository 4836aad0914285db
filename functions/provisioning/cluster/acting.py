"""The admin acts as another role of its server for a while: as a tenant's owner, or as who has granted something.

Since PostgreSQL 16 who may grant a role is who has ADMIN OPTION on it: of a tenant's roles its creator, who then joins
them for that time, so that the admin itself stays a member of few. Of any other role it is the admin, who grants it to
itself. Before 16 the admin may grant itself every role that is no superuser's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.cluster.creators import ADMIN_AGAIN
from provisioning.cluster.session import QUERIES

__all__ = ["ADMIN_AGAIN", "Actor", "as_role", "existing", "joined"]


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


class _Name(NamedTuple):
    role: str


@contextmanager
def joined(session: Connection, roles: Sequence[str]) -> Iterator[dict[str, Actor]]:
    """Let the admin SET ROLE to these of the server's roles inside the block, and yield them by name.

    An exit by an exception leaves the memberships, and the session is to be closed; the next who joins ends them.
    Raise psycopg2.Error.
    """
    option = "SET" if session.server_version >= creators.SINCE else "MEMBER"
    found = sessions.fetch(session, Actor, QUERIES["find_roles"], roles=_array(roles), option=option) if roles else []
    joining = [actor for actor in found if not actor.may_act]
    if joining:
        _send(session, "join_role", joining)
    yield {actor.role: actor for actor in found}
    if joining:
        _send(session, "leave_role", joining)


def existing(session: Connection, roles: Sequence[str]) -> set[str]:
    """Return those of the names that are roles of the server. Raise psycopg2.Error."""
    return {row.role for row in sessions.fetch(session, _Name, QUERIES["find_role_names"], roles=_array(roles))}


def as_role(role: str) -> sql.Composed:
    """Return what makes the role the current user of the session."""
    return sql.SQL("SET ROLE {};").format(sql.Identifier(role))


def _send(session: Connection, query: str, actors: Sequence[Actor]) -> None:
    parts = [
        sql.Composed([actor.becoming, postgres.composed(QUERIES[query], role=sql.Identifier(actor.role)), ADMIN_AGAIN])
        for actor in actors
    ]
    with session.cursor() as cursor:
        cursor.execute(sql.Composed(parts))


def _array(names: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::text[]").format(sql.Literal(list(names)))
