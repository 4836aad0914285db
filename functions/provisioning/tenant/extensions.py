"""The extensions that a tenant database gets, in a schema of their own: those of the setting TENANT_EXTENSIONS.

One that PostgreSQL calls trusted is made over the tenant's login, and belongs to the tenant. Any other needs an admin
who may make it (a superuser, on RDS a member of rds_superuser), and stays the admin's. What the server does not have,
or the admin may not make, is left out, and is in what the stage returns.
"""

import re
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration, queries
from provisioning.cluster import session as sessions
from provisioning.errors import Misconfigured

NAME = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
QUERIES = queries.load(__file__, "schema.sql")


class Extensions(NamedTuple):
    """Of the allowed extensions, those that a database has and those that it does not."""

    installed: list[str]
    skipped: list[str]


class Available(NamedTuple):
    """An allowed extension that the server has."""

    name: str
    trusted: bool
    installed: bool


def allowed() -> list[str]:
    """Return the names that the settings allow, in their order. Raises Misconfigured for what is no name."""
    names = [name.strip() for name in configuration.optional("TENANT_EXTENSIONS").split(",") if name.strip()]
    if not all(NAME.fullmatch(name) for name in names):
        raise Misconfigured("TENANT_EXTENSIONS must be names of extensions, with commas between them")
    return list(dict.fromkeys(names))


def find_available(connection: Connection) -> list[Available]:
    """Return the allowed extensions that the server has, in the settings' order. Raises psycopg2.Error."""
    names = sql.SQL("{}::text[]").format(sql.Literal(allowed()))
    return sessions.fetch(connection, Available, QUERIES["find_available_extensions"], names=names)


def ensure(
    connection: Connection, available: list[Available], connect_as_admin: Callable[[], Connection]
) -> Extensions:
    """Make every available extension that is missing, over the tenant's connection and, if need be, the admin's.

    For a database that nobody else has used yet. Doing it again changes nothing. Raises psycopg2.Error.
    """
    installed = {one.name for one in available if one.installed or (one.trusted and _make(connection, one.name))}
    others = [one.name for one in available if not one.trusted and not one.installed]
    if others:
        with closing(connect_as_admin()) as admin:
            installed |= {name for name in others if _make(admin, name)}
    names = allowed()
    return Extensions([name for name in names if name in installed], [name for name in names if name not in installed])


def _make(connection: Connection, name: str) -> bool:
    try:
        sessions.send(connection, QUERIES["make_extension"], extension=sql.Identifier(name))
    except errors.InsufficientPrivilege:
        return False
    return True
