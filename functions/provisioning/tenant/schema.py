"""The tenant schema, brought to its newest version one migration at a time: tenant_schema/NNNN_name.sql.

It uses the tenant's own login: code that a tenant has attached to its tables runs with all rights of the session, so a
session of the cluster's admin never changes a tenant's schema.
"""

import functools
from pathlib import Path
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.identity import TenantNames
from provisioning.tenant import extensions

SCHEMA = "public"
"""The user's schema, first on the path of the login. The platform's is `tenant`, and off the path."""
MIGRATIONS = Path(__file__).parents[2] / "tenant_schema"
QUERIES = queries.load(__file__)
STATEMENT_TIMEOUT_SECONDS = 30
LOOKS = 3
"""How often an upgrade looks again after another one was faster."""


class _Schema(NamedTuple):
    is_there: bool


class _Version(NamedTuple):
    version: int


def connect(document: dict[str, object]) -> Connection:
    """Open a connection with a tenant's issued credentials, as its owner. Raise psycopg2.Error."""
    owner = TenantNames.of_login(str(document["username"])).owner_role
    return postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS, role=owner)


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

    A new database takes two round trips and one transaction. Of two concurrent upgrades the second waits, is refused,
    and looks again. Raise psycopg2.Error.
    """
    for _ in range(LOOKS):
        reached = _reached(connection)
        missing = steps(reached)
        if not missing:
            return newest_version()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql.Composed([postgres.composed(QUERIES["lock_schema"]), *missing]))
        except (errors.DuplicateSchema, errors.DuplicateTable, errors.UniqueViolation):
            continue
        return newest_version()
    raise postgres.Busy("others keep changing this tenant's schema")


def _reached(connection: Connection) -> int | None:
    """Return the version of the tenant schema, or None without one."""
    (found,) = sessions.fetch(connection, _Schema, QUERIES["find_schema"])
    return current_version(connection) if found.is_there else None


def steps(reached: int | None) -> list[sql.Composed]:
    """Return what brings a tenant's database from a version to the newest; None stands for one without any schema."""
    shared_roles = creators.shared_roles()
    new = [] if reached is not None else [postgres.composed(QUERIES["make_schemas"], shared_roles=shared_roles)]
    missing = {version: file for version, file in _migrations().items() if version > (reached or 0)}
    return new + [_migration(version, file) for version, file in sorted(missing.items())]


def fingerprint() -> str:
    """Return the newest version with a hash of all that it is made from; a tenant with another one is outdated."""
    return _fingerprint(",".join(extensions.allowed()))


@functools.cache
def _fingerprint(extensions_allowed: str) -> str:
    import hashlib

    digest = hashlib.sha256()
    for _, migration in sorted(_migrations().items()):
        digest.update(migration.read_bytes())
    for file in ("tenant.sql", "schema.sql"):
        digest.update(Path(__file__).with_name(file).read_bytes())
    digest.update(extensions_allowed.encode())
    return f"{newest_version()}-{digest.hexdigest()[:16]}"


def _migration(version: int, file: Path) -> sql.Composed:
    recorded = postgres.composed(QUERIES["record_migration"], version=version, name=file.stem)
    return sql.Composed([sql.SQL(file.read_text()), recorded])


def _migrations() -> dict[int, Path]:
    return {int(file.name.split("_")[0]): file for file in MIGRATIONS.glob("[0-9]*.sql")}
