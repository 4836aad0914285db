"""Applies the control plane's migrations (yoyo, plain SQL), by Lambda at deploy time or by `provision migrate`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yoyo import get_backend, read_migrations
from yoyo.connections import DatabaseURI

from provisioning import configuration, postgres, tenant_secret
from provisioning.observability import logger

MIGRATIONS = Path(__file__).with_name("migrations")
ADVISORY_LOCK = 0x70726F76
MIGRATION_TIMEOUT_SECONDS = 240


def migrate(event: object, context: object) -> dict[str, Any]:
    """Lambda handler: brings the control plane to the newest schema version and names what it applied."""
    del event, context
    applied = apply_migrations(tenant_secret.read(configuration.required("CONTROL_PLANE_SECRET_ID")))
    logger().info("control plane migrated", applied=applied)
    return {"applied": applied}


def apply_migrations(parameters: Mapping[str, Any]) -> list[str]:
    """Applies what is missing and returns the names, oldest first. Doing it twice, or twice at once, does it once.

    Raises psycopg2.Error when the database refuses; the migration that failed is rolled back whole.
    """
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    guard = postgres.connect(parameters, statement_timeout_seconds=MIGRATION_TIMEOUT_SECONDS)
    try:
        with guard, guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
            return _apply(parameters)
    finally:
        guard.close()


def _apply(parameters: Mapping[str, Any]) -> list[str]:
    address = DatabaseURI(
        scheme="postgresql",
        username=parameters["username"],
        password=parameters["password"],
        hostname=parameters["host"],
        port=int(parameters["port"]),
        database=parameters["dbname"],
        # With a role that is named like a schema, "$user" would lead yoyo to other tables than the first time.
        args=postgres.ssl_options() | {"options": "-csearch_path=public"},
    )
    backend = get_backend(address.uri)
    try:
        # Whoever holds the advisory lock is the only one migrating: a row in yoyo's own lock table is from the dead.
        backend.break_lock()
        pending = backend.to_apply(read_migrations(str(MIGRATIONS)))
        backend.apply_migrations(pending)
        return [migration.id for migration in pending]
    finally:
        backend.connection.close()
