"""The server that is measured: what is looked up on it and cleared away between measurements, never while one runs."""

import uuid
from contextlib import closing

from psycopg2 import sql

from local.stack import Stack

CAPACITY = 1_000_000


def prepare(stack: Stack) -> None:
    """Gives the cluster room for every tenant that a bench makes."""
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        cursor.execute("UPDATE control_plane.clusters SET capacity = %s", (CAPACITY,))


def describe(stack: Stack) -> dict[str, str]:
    """Returns PostgreSQL's version and the settings that decide what a database costs."""
    names = ("server_version", "fsync", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size")
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) AS name", (list(names),))
        return dict(cursor.fetchall())


def clear(stack: Stack) -> None:
    """Drops every database that a job or a floor has made, and writes out what is left to write."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT datname::text FROM pg_database WHERE starts_with(datname, 'tenant_')"
            " OR starts_with(datname, 'bench_')"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        cursor.execute("CHECKPOINT")


def set_aside(stack: Stack) -> None:
    """Lets the tenants that there are count as none, under other names.

    They are not dropped: an ext4 without a journal does not take the inodes of the last minute's deleted files again,
    and looks through them whenever a file is made, which a CREATE DATABASE does hundreds of times.
    """
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT datname::text FROM pg_database WHERE starts_with(datname, 'tenant_')")
        for (name,) in cursor.fetchall():
            aside = f"bench_{uuid.uuid4().hex}"
            cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (name, aside))))


def checkpoint(stack: Stack) -> None:
    """Writes out what is left to write, so that no measurement pays for what was before it."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def count_tenants(stack: Stack) -> int:
    """Returns how many tenants' databases there are."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE starts_with(datname, 'tenant_')")
        return int((cursor.fetchone() or (0,))[0])


def megabytes_per_tenant(stack: Stack) -> float:
    """Returns the mean size of up to a hundred tenants' databases in MB (10⁶ bytes)."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT avg(pg_database_size(oid)) FROM (SELECT oid FROM pg_database"
            " WHERE starts_with(datname, 'tenant_') ORDER BY oid DESC LIMIT 100) AS newest"
        )
        return float((cursor.fetchone() or (0,))[0]) / 1e6


def wal_bytes(stack: Stack) -> int:
    """Returns how much WAL the server has written since it was made."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return int((cursor.fetchone() or (0,))[0])
