"""The extensions that a tenant database gets, in a schema of their own: those of the setting TENANT_EXTENSIONS.

One that PostgreSQL calls trusted is made over the tenant's login, and belongs to the tenant. Any other needs an admin
that may make it (a superuser, on RDS a member of rds_superuser), and belongs to the admin. Extensions that the server
does not have, or the admin may not make, are skipped and reported in the stage's output.
"""

import re
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration, postgres, queries
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.errors import Misconfigured

NAME = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
QUERIES = queries.load(__file__, "schema.sql")


class Extensions(NamedTuple):
    """Of the allowed extensions, those that a database has and those that it does not; and the database's locale."""

    installed: list[str]
    skipped: list[str]
    locale: str


class _Powers(NamedTuple):
    makes_any_extension: bool


class _Made(NamedTuple):
    installed: list[str]
    refused: list[str]
    """What the server has but the role may not make."""
    locale: str


def allowed() -> list[str]:
    """Return the names that the settings allow, in their order. Raise Misconfigured for an invalid name."""
    names = [name.strip() for name in configuration.optional("TENANT_EXTENSIONS").split(",") if name.strip()]
    if not all(NAME.fullmatch(name) for name in names):
        raise Misconfigured("TENANT_EXTENSIONS must be names of extensions, separated by commas")
    return list(dict.fromkeys(names))


def ensure(connection: Connection, cluster: Cluster, database: str) -> Extensions:
    """Make every allowed extension that the server has, over the tenant's connection or, where needed, the admin's.

    Only for a database that nobody else has used yet. Idempotent. Raise psycopg2.Error.
    """
    names = allowed()
    installed, refused, locale = _make(connection, names)
    if refused and sessions.on(cluster, _makes_any_extension)[1]:
        with closing(sessions.connect(cluster, dbname=database)) as admin:
            installed += _make(admin, refused).installed
    skipped = [name for name in names if name not in installed]
    return Extensions([name for name in names if name in installed], skipped, locale)


def _makes_any_extension(session: Connection) -> bool:
    (powers,) = sessions.fetch(session, _Powers, sessions.QUERIES["find_powers"])
    return powers.makes_any_extension


def _make(connection: Connection, names: Sequence[str]) -> _Made:
    """Make those that the server has, in one round trip and one transaction."""
    making = [postgres.composed(QUERIES["make_extension"], extension=sql.Identifier(one), name=one) for one in names]
    array = sql.SQL("{}::text[]").format(sql.Literal(list(names)))
    message = sql.Composed([*making, postgres.composed(QUERIES["find_made_extensions"], names=array)])
    (made,) = sessions.fetch_composed(connection, _Made, message)
    return made
