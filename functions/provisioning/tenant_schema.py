"""The tenant schema, brought to its newest version one migration at a time: tenant_migrations/NNNN_name.sql."""

from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.naming import TenantNames

SCHEMA = "tenant"
MIGRATIONS = Path(__file__).with_name("tenant_migrations")


def newest_version() -> int:
    """Returns the version that every new tenant gets."""
    return max(_migrations())


def current_version(connection: Connection) -> int:
    """Returns the version of the tenant database behind the connection; 0 when it has no tenant schema."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('tenant._migrations') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return 0
        cursor.execute("SELECT coalesce(max(version), 0) FROM tenant._migrations")
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def upgrade(connection: Connection, names: TenantNames) -> int:
    """Applies the missing migrations in one transaction, as the owner role, and returns the version reached.

    Two at once wait for each other, and the second finds nothing to do. A new database is upgraded by the cluster's
    admin, a live tenant's over its own login (issued_connection): what a tenant has hung on its tables runs with all
    rights of the session, SET ROLE or not. Raises psycopg2.Error.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('tenant schema', 0))")
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(names.owner_role)))
        reached = current_version(connection)
        for version, migration in sorted(_migrations().items()):
            if version > reached:
                statements = sql.SQL(migration.read_text()).format(owner=sql.Identifier(names.owner_role))
                cursor.execute(statements)
                cursor.execute(
                    "INSERT INTO tenant._migrations (version, name) VALUES (%s, %s)", (version, migration.stem)
                )
                reached = version
        return reached


def issued_connection(document: dict[str, object]) -> Connection:
    """Opens a connection with a tenant's issued credentials. Raises psycopg2.Error."""
    return postgres.connect(document, statement_timeout_seconds=10)


def _migrations() -> dict[int, Path]:
    return {int(file.name.split("_")[0]): file for file in MIGRATIONS.glob("[0-9]*.sql")}
