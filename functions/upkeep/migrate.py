"""Apply the control plane's migrations (yoyo, plain SQL), by Lambda at deploy time or by `provision migrate`."""

import logging
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from yoyo import get_backend, read_migrations
from yoyo.connections import DatabaseURI

from provisioning import configuration, postgres
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.control_plane import QUERIES
from provisioning.observability import logger

MIGRATIONS = Path(__file__).parents[1] / "provisioning" / "control_plane" / "migrations"
LOCK = "migrations"
MIGRATION_TIMEOUT_SECONDS = 240
LONGEST_SECONDS = 300
"""The function's timeout."""

ENCODING = "UTF8"


class MigrationFailed(Exception):
    """A migration was refused and rolled back completely, or the database is unsuitable and nothing was tried.

    The message names the migration or what is unsuitable, and quotes no value.
    """


def migrate(event: object, context: object) -> dict[str, Any]:
    """Lambda handler. Bring the control plane to the newest schema version and return the names of what it applied."""
    del event, context
    parameters = secrets.read(configuration.required("CONTROL_PLANE_SECRET_ID"), CREDENTIALS)
    applied = apply_migrations(parameters)
    logger().info("control plane migrated", applied=applied)
    if warning := durability_warning(parameters):
        logger().warning(warning)
    return {"applied": applied}


def apply_migrations(parameters: Mapping[str, Any]) -> list[str]:
    """Apply the missing migrations and return their names, oldest first. Idempotent, also when run concurrently.

    One at a time applies them; the session of one that is overdue is ended. Raise MigrationFailed, with the migrations
    before the failed one applied, or with nothing applied if the database is not encoded as UTF8, and psycopg2.Error if
    the database cannot be reached.
    """
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    with closing(postgres.connect(parameters, statement_timeout_seconds=MIGRATION_TIMEOUT_SECONDS)) as guard:
        encoding = encoding_of(guard)
        if encoding != ENCODING:
            raise MigrationFailed(f"the database is encoded as {encoding}: create it with ENCODING '{ENCODING}'")
        with guard.cursor() as cursor:
            # Each is a transaction of its own: one that stays open would be idle while the migrations run, and be ended
            # for that.
            for name in ("record_deadline", "end_sessions_of_overdue_holders", "lock_keys_when_free"):
                cursor.execute(QUERIES[name].text, {"keys": [LOCK], "seconds": LONGEST_SECONDS})
        return _apply(parameters)


def durability_warning(parameters: Mapping[str, Any]) -> str:
    """Return what is wrong with a server that may lose what it commits, or nothing. Raise psycopg2.Error."""
    with closing(postgres.connect(parameters, statement_timeout_seconds=10)) as session, session.cursor() as cursor:
        cursor.execute(QUERIES["find_durability"].text)
        is_durable = cursor.fetchone() == (True,)
    return "" if is_durable else "The control plane's server runs with fsync off: a crash can lose or corrupt it."


def encoding_of(connection: Connection) -> str:
    """Return the encoding of the connection's database."""
    return str(connection.get_parameter_status("server_encoding"))


def pending_migrations(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of the migrations that are missing, oldest first. It only reads. Raise psycopg2.Error."""
    connection = postgres.connect(parameters, statement_timeout_seconds=10)
    try:
        connection.set_session(readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('public._yoyo_migration') IS NOT NULL")
            applied = set()
            if cursor.fetchone() == (True,):
                cursor.execute("SELECT migration_id FROM public._yoyo_migration")
                applied = {row[0] for row in cursor.fetchall()}
    finally:
        connection.close()
    return sorted({file.stem for file in MIGRATIONS.glob("*.sql")} - applied)


def _apply(parameters: Mapping[str, Any]) -> list[str]:
    backend = _backend(parameters)
    try:
        # Only the holder of the advisory lock migrates, so a row in yoyo's own lock table is stale.
        backend.break_lock()
        pending = backend.to_apply(read_migrations(str(MIGRATIONS)))
        for migration in pending:
            try:
                backend.apply_one(migration)
            except psycopg2.Error as error:
                raise MigrationFailed(f"{migration.id}: {postgres.describe(error)}") from None
        return [migration.id for migration in pending]
    finally:
        backend.connection.close()


def _backend(parameters: Mapping[str, Any]) -> Any:
    # If a role is named like a schema, "$user" would lead yoyo to other tables than the first time. A change that waits
    # for a table's lock makes all later queries wait behind it, so it soon gives up.
    settings = {
        "search_path": "public",
        "statement_timeout": f"{MIGRATION_TIMEOUT_SECONDS}s",
        "lock_timeout": "10s",
        # Only what a role or a database says: the guard's server can be written to.
        "default_transaction_read_only": "off",
    }
    address = DatabaseURI(
        scheme="postgresql",
        username=parameters["username"],
        password=parameters["password"],
        hostname=parameters["host"],
        port=int(parameters["port"]),
        database=parameters["dbname"],
        args=postgres.ssl_options() | {"options": postgres.options(**settings), "client_encoding": "UTF8"},
    )
    return get_backend(address.uri)
