"""The extensions that a tenant database gets, in a schema of their own: those of the setting TENANT_EXTENSIONS.

One that PostgreSQL calls trusted is made by the role that owns everything else, and becomes the tenant's. Any other
needs an admin who may make it (a superuser, on RDS a member of rds_extension), and stays the admin's. What the server
does not have, or the admin may not make, is left out, and is in what the stage returns.
"""

import re
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from provisioning import configuration, postgres
from provisioning.cluster import SHARED_ROLES
from provisioning.errors import Misconfigured

SCHEMA = "extensions"
NAME = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")


class Extensions(NamedTuple):
    """Of the allowed extensions, those that a database has and those that it does not."""

    installed: list[str]
    skipped: list[str]


def allowed() -> list[str]:
    """Returns the names that the settings allow, in their order. Raises Misconfigured for what is no name."""
    names = [name.strip() for name in configuration.optional("TENANT_EXTENSIONS").split(",") if name.strip()]
    if not all(NAME.fullmatch(name) for name in names):
        raise Misconfigured("TENANT_EXTENSIONS must be names of extensions, with commas between them")
    return list(dict.fromkeys(names))


def install(cursor: Cursor, role: str) -> None:
    """Makes the schema, and in it every allowed extension that the server has and that may be made.

    In the transaction of the cursor, as the admin of the cluster, who owns the database or is a member of its owner;
    the schema and the trusted extensions belong to the role. Raises psycopg2.Error.
    """
    names = {
        "role": sql.Identifier(role),
        "database": sql.Identifier(cursor.connection.info.dbname),
        "shared_roles": sql.SQL(", ").join(map(sql.Identifier, SHARED_ROLES)),
    }
    cursor.execute(sql.SQL(postgres.statement("create_extensions_schema")).format(**names))
    cursor.execute(postgres.statement("find_available_extensions"), {"names": allowed()})
    for name, trusted in cursor.fetchall():
        cursor.execute("SAVEPOINT extension")
        try:
            if trusted:
                cursor.execute(sql.SQL("SET LOCAL ROLE {role}").format(**names))
            cursor.execute(sql.SQL("CREATE EXTENSION {} SCHEMA extensions CASCADE").format(sql.Identifier(name)))
        except errors.InsufficientPrivilege:
            cursor.execute("ROLLBACK TO SAVEPOINT extension")
        cursor.execute("RELEASE SAVEPOINT extension")
        cursor.execute("SET LOCAL ROLE NONE")
    cursor.execute(sql.SQL("REVOKE CREATE ON DATABASE {database} FROM {role}").format(**names))


def found(connection: Connection) -> Extensions:
    """Returns which of the allowed extensions the database behind the connection has. Raises psycopg2.Error."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extname::text FROM pg_extension")
        there = {name for (name,) in cursor.fetchall()}
    names = allowed()
    return Extensions([name for name in names if name in there], [name for name in names if name not in there])
