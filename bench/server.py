"""The server that is measured: what is looked up on it and cleared away between measurements, never while one runs."""

from contextlib import closing

from psycopg2 import sql

from local.stack import Stack

CAPACITY = 1_000_000


def prepare(stack: Stack) -> None:
    """Give the cluster room for every tenant that a bench makes."""
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        cursor.execute("UPDATE control_plane.clusters SET capacity = %s", (CAPACITY,))


def describe(stack: Stack) -> dict[str, str]:
    """Return PostgreSQL's version and the settings that decide what a database costs."""
    names = ("server_version", "fsync", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size")
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) AS name", (list(names),))
        return dict(cursor.fetchall())


def clear(stack: Stack) -> None:
    """Drop every database that a tenant or a floor has, and write out what is left to write."""
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        # The pool's tenants go too: none shall be chosen whose database is not there.
        cursor.execute("DELETE FROM control_plane.tenants WHERE job_id IS NULL")
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT datname::text FROM pg_database WHERE starts_with(datname, 'tenant_')"
            " OR starts_with(datname, 'bench_')"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        cursor.execute("CHECKPOINT")


def checkpoint(stack: Stack) -> None:
    """Write out what is left to write, so that no measurement pays for what was before it."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def count_tenants(stack: Stack) -> int:
    """Return how many tenants' databases there are."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE starts_with(datname, 'tenant_')")
        return int((cursor.fetchone() or (0,))[0])


def megabytes_per_tenant(stack: Stack) -> float:
    """Return the mean size of up to a hundred tenants' databases in MB (10⁶ bytes)."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT avg(pg_database_size(oid)) FROM (SELECT oid FROM pg_database"
            " WHERE starts_with(datname, 'tenant_') ORDER BY oid DESC LIMIT 100) AS newest"
        )
        return float((cursor.fetchone() or (0,))[0]) / 1e6
