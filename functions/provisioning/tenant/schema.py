"""The tenant schema, brought to its newest version one migration at a time: tenant_schema/NNNN_name.sql.

It is made over the tenant's own login: what a tenant has hung on its tables runs with all rights of the session, so a
session of the cluster's admin never changes a tenant's schema.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.tenant import extensions

SCHEMA = "tenant"
MIGRATIONS = Path(__file__).parents[2] / "tenant_schema"
QUERIES = queries.load(__file__)
STATEMENT_TIMEOUT_SECONDS = 30


class _Schema(NamedTuple):
    is_there: bool


class _Version(NamedTuple):
    version: int


def connect(document: dict[str, object]) -> Connection:
    """Open a connection with a tenant's issued credentials. Raises psycopg2.Error."""
    return postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)


def newest_version() -> int:
    """Return the version that every new tenant gets."""
    return max(_migrations())


def current_version(connection: Connection) -> int:
    """Return the version of the tenant database behind the connection; 0 when it has no tenant schema."""
    try:
        (found,) = sessions.fetch(connection, _Version, QUERIES["find_version"])
    except errors.UndefinedTable:
        return 0
    return found.version


def upgrade(connection: Connection) -> int:
    """Bring the tenant's database to the newest version over its own login, and return the version reached.

    One transaction. Two at once wait for each other, and the second finds nothing to do. Raises psycopg2.Error.
    """
    with connection, connection.cursor() as cursor:
        (found,) = sessions.fetch(connection, _Schema, QUERIES["lock_schema"], QUERIES["find_schema"])
        reached = current_version(connection) if found.is_there else 0
        made = [] if found.is_there else [postgres.composed(QUERIES["make_schemas"], shared_roles=creators.shared_roles())]
        missing = {version: file for version, file in _migrations().items() if version > reached}
        steps = [_migration(version, file) for version, file in sorted(missing.items())]
        if made or steps:
            cursor.execute(sql.Composed([*made, *steps]))
    return max([reached, *missing])


def fingerprint() -> str:
    """Return the newest version with a hash of everything of ours that leads to it; a tenant of another is outdated."""
    digest = hashlib.sha256()
    for _, migration in sorted(_migrations().items()):
        digest.update(migration.read_bytes())
    for file in ("tenant.sql", "schema.sql"):
        digest.update(Path(__file__).with_name(file).read_bytes())
    digest.update(",".join(extensions.allowed()).encode())
    return f"{newest_version()}-{digest.hexdigest()[:16]}"


def _migration(version: int, file: Path) -> sql.Composed:
    recorded = postgres.composed(QUERIES["record_migration"], version=version, name=file.stem)
    return sql.Composed([sql.SQL(file.read_text()), recorded])


def _migrations() -> dict[int, Path]:
    return {int(file.name.split("_")[0]): file for file in MIGRATIONS.glob("[0-9]*.sql")}
