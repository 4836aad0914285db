"""Apply the control plane's migrations (yoyo, plain SQL), by Lambda at deploy time or by `provision migrate`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg2
from yoyo import get_backend, read_migrations
from yoyo.connections import DatabaseURI

from provisioning import configuration, postgres
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.observability import logger

MIGRATIONS = Path(__file__).parents[1] / "provisioning" / "control_plane" / "migrations"
ADVISORY_LOCK = 0x70726F76
MIGRATION_TIMEOUT_SECONDS = 240


class MigrationFailed(Exception):
    """A migration was refused and rolled back completely. The message names it, and quotes no value."""


def migrate(event: object, context: object) -> dict[str, Any]:
    """Lambda handler. Bring the control plane to the newest schema version and return the names of what it applied."""
    del event, context
    applied = apply_migrations(secrets.read(configuration.required("CONTROL_PLANE_SECRET_ID"), CREDENTIALS))
    logger().info("control plane migrated", applied=applied)
    return {"applied": applied}


def apply_migrations(parameters: Mapping[str, Any]) -> list[str]:
    """Apply the missing migrations and return their names, oldest first. Idempotent, also when run concurrently.

    Raise MigrationFailed, with the migrations before the failed one applied, and psycopg2.Error if the database cannot
    be reached.
    """
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    guard = postgres.connect(parameters, statement_timeout_seconds=MIGRATION_TIMEOUT_SECONDS)
    try:
        with guard.cursor() as cursor:
            # Not in a transaction: it would be idle while the migrations run, and be ended for that.
            cursor.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        return _apply(parameters)
    finally:
        guard.close()


def pending_migrations(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of the migrations that are missing, oldest first. Raise psycopg2.Error."""
    connection = postgres.connect(parameters, statement_timeout_seconds=10)
    try:
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
    address = DatabaseURI(
        scheme="postgresql",
        username=parameters["username"],
        password=parameters["password"],
        hostname=parameters["host"],
        port=int(parameters["port"]),
        database=parameters["dbname"],
        # If a role is named like a schema, "$user" would lead yoyo to other tables than the first time. A change that
        # waits for a table's lock makes all later queries wait behind it, so it soon gives up.
        args=postgres.ssl_options()
        | {"options": f"-csearch_path=public -cstatement_timeout={MIGRATION_TIMEOUT_SECONDS}s -clock_timeout=10s"},
    )
    return get_backend(address.uri)
