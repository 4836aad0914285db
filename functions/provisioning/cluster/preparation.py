"""What makes a server ready for tenants: shared roles, closed maintenance databases, register, first creators."""

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.cluster import connections, creators, keeper, shared_roles
from provisioning.cluster import session as sessions
from provisioning.cluster.session import QUERIES, REGISTER
from provisioning.errors import Misconfigured

FIRST_CREATORS = 4
"""Several, so that concurrent jobs do not wait for one creator's count of tenants."""


class _Database(NamedTuple):
    datname: str


class _Creator(NamedTuple):
    name: str


class Standing(NamedTuple):
    """What decides whether an admin may use the register and, before PostgreSQL 16, the roles that it joins."""

    inherits: bool
    is_superuser: bool
    register_owner: str | None
    owner_is_superuser: bool | None
    uses_register: bool

    def lacking(self, session: Connection, admin: str) -> sql.Composed | None:
        """Return the statement that gives the admin what it lacks, if anything. Raise psycopg2.Error."""
        names = {"admin": sql.Identifier(admin), "register": sql.Identifier(REGISTER)}
        if self.is_superuser:
            return None
        if not self.inherits and session.server_version < creators.SINCE:
            return sql.SQL("ALTER ROLE {admin} INHERIT;").format(**names)
        if self.uses_register or self.register_owner is None:
            return None
        if self.owner_is_superuser:
            return sql.SQL("ALTER DATABASE {register} OWNER TO {admin};").format(**names)
        options = sql.SQL(" WITH INHERIT TRUE" if session.server_version >= creators.SINCE else "")
        owner = sql.Identifier(self.register_owner)
        return sql.SQL("GRANT {owner} TO {admin}{options};").format(owner=owner, options=options, **names)


def prepare_cluster(connect: Callable[[str], Connection], admin_role: str) -> None:
    """Make a server ready for tenants; repeating it makes and grants what is missing.

    `connect` opens a connection to a database of the server, as the admin itself or as a superuser. Afterwards the
    admin may grant the shared roles, and owns the register and the creators, which may also grant the roles that a
    keeper has brought from before PostgreSQL 16; on such a server the keeper keeps them. The admin may use the
    connections that the server keeps, if the current user may grant that. Only their owner can close the maintenance
    databases. Raise Misconfigured, before anything is changed, if a shared role has powers or the register is another
    role's, whose privileges the admin may not use; and psycopg2.Error.
    """
    admin = sql.Identifier(admin_role)
    with closing(connect("postgres")) as session:
        _let_in(session, admin_role)
        shared_roles.prepare(session, admin_role)
        connections.grant(session, admin_role)
        for (database,) in sessions.fetch(session, _Database, QUERIES["find_maintenance_databases"]):
            _close(session, database, admin)
        with session.cursor() as cursor:
            try:
                statement = "CREATE DATABASE {} OWNER {} TEMPLATE template0 CONNECTION LIMIT -1"
                cursor.execute(sql.SQL(statement).format(sql.Identifier(REGISTER), admin))
            except errors.DuplicateDatabase:
                pass
        _close(session, REGISTER, admin)
    with closing(connect(REGISTER)) as session:
        with session.cursor() as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(admin))
        sessions.send(session, QUERIES["make_register"])
        if session.server_version >= creators.SINCE:
            existing = sessions.fetch(session, _Creator, QUERIES["forget_lost_creators"], QUERIES["find_creators"])
            for (name,) in existing:
                creators.grant(session, name)
            ungranted = creators.find_ungranted(session, admin_role)
            more = -(-max(ungranted.tenants - ungranted.places, 0) // creators.SHARE)
            for _ in range(max(FIRST_CREATORS - len(existing), more)):
                creators.make(session)
            keeper.hand_over(session, admin_role)
        else:
            keeper.prepare(session)


def find_standing(session: Connection, admin_role: str) -> Standing:
    """Return whether the admin may use what it has to use. Raise psycopg2.Error."""
    (found,) = sessions.fetch(session, Standing, QUERIES["find_standing"], admin=admin_role, register=REGISTER)
    return found


def _let_in(session: Connection, admin_role: str) -> None:
    """Let the admin use the roles that it joins and an existing register, as far as the current user may grant that."""
    while statement := find_standing(session, admin_role).lacking(session, admin_role):
        try:
            with session.cursor() as cursor:
                cursor.execute(statement)
        except errors.InsufficientPrivilege as error:
            needed = f"{admin_role} cannot use the server: as a superuser: {statement.as_string(session)}"
            raise Misconfigured(needed) from error


def _close(session: Connection, database: str, admin: sql.Identifier) -> None:
    names = sql.Identifier(database), admin
    with session.cursor() as cursor:
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(names[0]))
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))
