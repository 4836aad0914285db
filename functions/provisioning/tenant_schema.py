"""The tenant schema, brought to its newest version one migration at a time: tenant_migrations/NNNN_name.sql."""

from pathlib import Path
from typing import Any

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from provisioning import creator_roles, postgres, tenant_extensions
from provisioning.creator_roles import OBJECT_ROLE
from provisioning.naming import TenantNames

SCHEMA = "tenant"

MIGRATIONS = Path(__file__).with_name("tenant_migrations")


def newest_version() -> int:
    """Returns the version that every new tenant gets."""
    return max(_migrations())


def current_version(connection: Connection) -> int:
    """Returns the version of the tenant database behind the connection; 0 when it has no tenant schema."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(postgres.statement("find_version"))
        except errors.UndefinedTable:
            return 0
        return _number(cursor)


def upgrade(connection: Connection, names: TenantNames, creator: str | None = None) -> int:
    """Brings a tenant's database to the newest version, hands everything in it over to the tenant's owner role, and
    returns the version reached. One transaction.

    However the database was made, prepared in advance or empty, its catalog is the same afterwards. Two at once wait
    for each other, and the second finds nothing to do. A new database is upgraded by the cluster's admin, and handed
    over by its creator if it has one; a live tenant's is upgraded over its own login (issued_connection): what a tenant
    has hung on its tables runs with all rights of the session, SET ROLE or not. Raises psycopg2.Error.
    """
    with connection.cursor() as cursor:
        if _schema_owner(cursor) is None:
            creator_roles.ensure_object_role(cursor)
    with connection, connection.cursor() as cursor:
        read_version = [_as_role(names.owner_role), sql.SQL(postgres.statement("find_version"))]
        handing_over = _handing_over(cursor, names.owner_role, creator) if _prepare(cursor, names.owner_role) else []
        cursor.execute(sql.Composed([*handing_over, *read_version]))
        return _number(cursor)


def complete(connection: Connection, names: TenantNames) -> dict[str, Any]:
    """Upgrades a new tenant's database as the cluster's admin, and returns what "Create tenant schema" answers of it.

    Raises psycopg2.Error.
    """
    with creator_roles.becoming_owner(connection, names) as creator:
        version = upgrade(connection, names, creator)
    extensions = tenant_extensions.found(connection)
    installed = {"installed": extensions.installed, "skipped": extensions.skipped}
    return {"schema": SCHEMA, "version": version, "extensions": installed}


def prepare(connection: Connection) -> None:
    """Makes everything that is the same for all tenants: in a template once, and in a database that is made without.

    What it makes belongs to OBJECT_ROLE. One transaction, over a connection of the cluster's admin, who owns the
    database or is a member of its owner. Doing it again changes nothing. Raises psycopg2.Error.
    """
    with connection.cursor() as cursor:
        creator_roles.ensure_object_role(cursor)
    with connection, connection.cursor() as cursor:
        _prepare(cursor, OBJECT_ROLE)


def fingerprint() -> str:
    """Returns the newest version with a hash of everything that leads to it: a template made of less is out of date."""
    import hashlib

    digest = hashlib.sha256()
    for _, migration in sorted(_migrations().items()):
        digest.update(migration.read_bytes())
    digest.update(
        postgres.statement(
            "tenant_default_privileges", "create_role", "join_roles", "grant_database", "create_extensions_schema"
        ).encode()
    )
    digest.update(",".join(tenant_extensions.allowed()).encode())
    return f"{newest_version()}-{digest.hexdigest()[:16]}"


def _prepare(cursor: Cursor, owner_role: str) -> bool:
    """Applies the missing migrations and tells whether what is in the schema still has to be handed over."""
    found = _schema_owner(cursor, "lock_schema")
    if found is None:
        cursor.execute(
            sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(SCHEMA), sql.Identifier(OBJECT_ROLE))
        )
        tenant_extensions.install(cursor, OBJECT_ROLE)
    role = owner_role if found == owner_role else OBJECT_ROLE
    reached = 0
    if found is None:
        cursor.execute(sql.Composed([_as_role(role), sql.SQL(postgres.statement("tenant_default_privileges"))]))
    else:
        cursor.execute(sql.Composed([_as_role(role), sql.SQL(postgres.statement("find_version"))]))
        reached = _number(cursor)
    for version, migration in sorted(_migrations().items()):
        if version > reached:
            cursor.execute(sql.SQL(migration.read_text()).format(owner=sql.Identifier(role)))
            cursor.execute("INSERT INTO tenant._migrations (version, name) VALUES (%s, %s)", (version, migration.stem))
    return role == OBJECT_ROLE


def _schema_owner(cursor: Cursor, *before: str) -> str | None:
    cursor.execute(postgres.statement(*before, "find_schema_owner"), {"schema": SCHEMA})
    row = cursor.fetchone()
    return str(row[0]) if row else None


def _number(cursor: Cursor) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def _as_role(role: str) -> sql.Composed:
    return sql.SQL("SET LOCAL ROLE {};").format(sql.Identifier(role))


def _handing_over(cursor: Cursor, owner_role: str, creator: str | None) -> list[sql.Composable]:
    """Returns what makes the tenant's owner role own what was prepared, be meant by its policies, have its defaults."""
    owner = sql.Identifier(owner_role)
    cursor.execute(postgres.statement("find_object_policies"), {"objects": OBJECT_ROLE})
    policies = [
        sql.SQL("ALTER POLICY {} ON {} TO {};").format(sql.Identifier(policy), sql.Identifier(SCHEMA, table), owner)
        for policy, table in cursor.fetchall()
    ]
    handed_over = sql.SQL(postgres.statement("hand_over_schema")).format(
        objects=sql.Identifier(OBJECT_ROLE), owner=owner
    )
    own = sql.SQL(postgres.statement("close_public_schema", "tenant_default_privileges"))
    actor = [sql.SQL("SET LOCAL ROLE NONE;"), creator_roles.acting(creator)]
    return [*actor, *policies, handed_over, _as_role(owner_role), own]


def issued_connection(document: dict[str, object]) -> Connection:
    """Opens a connection with a tenant's issued credentials. Raises psycopg2.Error."""
    return postgres.connect(document, statement_timeout_seconds=10)


def _migrations() -> dict[int, Path]:
    return {int(file.name.split("_")[0]): file for file in MIGRATIONS.glob("[0-9]*.sql")}
