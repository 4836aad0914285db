"""The server that is measured: what is looked up on it and cleared away between measurements, never while one runs."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from bench.environment import ORGANIZATION
from local.stack import Stack

CAPACITY = 1_000_000


@contextmanager
def started(directory: Path) -> Iterator[Stack]:
    """Start a stack with fsync on, whose cluster has room for every tenant that a bench makes."""
    with Stack(directory, fsync=True) as stack:
        with _superuser(stack, "control_plane") as cursor:
            cursor.execute("UPDATE control_plane.clusters SET capacity = %s", (CAPACITY,))
            # A bench makes more projects within an hour than an organization may have.
            cursor.execute(
                "INSERT INTO control_plane.organizations (organization_id, projects, jobs_an_hour, storage_gb)"
                " VALUES (%s, %s, %s, %s)",
                (ORGANIZATION, CAPACITY, CAPACITY, 1000 * CAPACITY),
            )
        yield stack


def login(stack: Stack) -> dict[str, object]:
    """Return what a superuser connects with, but for the database."""
    with closing(stack.postgres.connect()) as superuser:
        return {name: getattr(superuser.info, name) for name in ("host", "port", "user", "password")}


def describe(stack: Stack) -> dict[str, str]:
    """Return PostgreSQL's version and the settings that decide what a database costs."""
    names = ("server_version", "fsync", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size")
    with _superuser(stack) as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) AS name", (list(names),))
        return dict(cursor.fetchall())


def clear(stack: Stack) -> None:
    """Drop every database that a tenant or a floor has, and write out what is left to write."""
    with _superuser(stack, "control_plane") as cursor:
        # The pool's tenants go too: none shall be chosen whose database is not there.
        cursor.execute("DELETE FROM control_plane.tenants WHERE job_id IS NULL")
    with _superuser(stack) as cursor:
        cursor.execute(
            "SELECT datname::text FROM pg_database WHERE starts_with(datname, 'tenant_')"
            " OR starts_with(datname, 'bench_')"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    checkpoint(stack)


def checkpoint(stack: Stack) -> None:
    """Write out what is left to write, so that no measurement pays for what was before it."""
    with _superuser(stack) as cursor:
        cursor.execute("CHECKPOINT")


def count_tenants(stack: Stack) -> int:
    """Return how many tenants' databases there are."""
    with _superuser(stack) as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE starts_with(datname, 'tenant_')")
        return int((cursor.fetchone() or (0,))[0])


def megabytes_per_tenant(stack: Stack) -> float:
    """Return the mean size of up to a hundred tenants' databases in MB (10⁶ bytes)."""
    with _superuser(stack) as cursor:
        cursor.execute(
            "SELECT avg(pg_database_size(oid)) FROM (SELECT oid FROM pg_database"
            " WHERE starts_with(datname, 'tenant_') ORDER BY oid DESC LIMIT 100) AS newest"
        )
        return float((cursor.fetchone() or (0,))[0]) / 1e6


@contextmanager
def _superuser(stack: Stack, dbname: str = "postgres") -> Iterator[Cursor]:
    with closing(stack.postgres.connect(dbname)) as superuser, superuser.cursor() as cursor:
        yield cursor
