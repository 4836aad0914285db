"""A tenant's database goes while autovacuum is at work in it, though the admin may not signal autovacuum's workers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from local.postgres import PostgresServer
from provisioning import tenant_database
from provisioning.cluster import prepare_cluster
from provisioning.naming import tenant_names
from provisioning.scram import scram_verifier
from provisioning.tenant_lookup import Source

NAMES = tenant_names("demo")
MARK = "provisioner project=demo job=job-1"
SLOWLY = {"autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1"}
WORKERS = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'autovacuum worker'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server that is prepared as a cluster, with an admin who may create roles and databases and is no superuser."""
    with PostgresServer(tmp_path_factory.mktemp("cluster"), fsync=False) as running:
        with closing(running.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute("CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD 'admin'")
            prepare_cluster(superuser, "admin")
            cursor.execute("GRANT CONNECT ON DATABASE postgres TO admin")
        yield running


@pytest.fixture
def admin(server: PostgresServer) -> Iterator[Connection]:
    """A session of the admin, with one tenant, whose database is empty."""
    with closing(connect(server, "postgres", "admin")) as session:
        session.autocommit = True
        tenant_database.create_roles(session, NAMES, MARK, scram_verifier("login"))
        tenant_database.create_database(session, NAMES, MARK, Source())
        yield session


@pytest.fixture
def autovacuum(server: PostgresServer, superuser: Connection, admin: Connection) -> Iterator[None]:
    """A worker of autovacuum that stays busy in the tenant's database for longer than a test lasts."""
    with superuser.cursor() as cursor:
        for name, value in SLOWLY.items():
            cursor.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        cursor.execute("SELECT pg_reload_conf()")
        with closing(server.connect(NAMES.database)) as inside, inside.cursor() as tables:
            tables.execute("CREATE TABLE public.large AS SELECT repeat('x', 500) FROM generate_series(1, 20000)")
            tables.execute("DELETE FROM public.large")
        deadline = time.monotonic() + 30
        while not at_work(cursor):
            assert time.monotonic() < deadline, "autovacuum never came"
        yield
        cursor.execute("ALTER SYSTEM RESET ALL")
        cursor.execute("SELECT pg_reload_conf()")


@pytest.mark.usefixtures("autovacuum")
@pytest.mark.parametrize("connected", [False, True])
def test_a_database_that_autovacuum_is_at_work_in_is_dropped(
    server: PostgresServer, admin: Connection, connected: bool
) -> None:
    with ExitStack() as sessions:
        if connected:
            sessions.enter_context(closing(connect(server, NAMES.database, NAMES.login_role, "login")))
        removed = tenant_database.drop_database(admin, NAMES, MARK)
    assert removed == [NAMES.database, NAMES.login_role, NAMES.owner_role]


def at_work(cursor: Cursor) -> bool:
    """Tells whether a worker of autovacuum is in the tenant's database."""
    cursor.execute(WORKERS, (NAMES.database,))
    return bool(cursor.fetchall())


def connect(server: PostgresServer, database: str, role: str, password: str = "admin") -> Connection:
    """Opens a connection as somebody who is no superuser."""
    return psycopg2.connect(host="127.0.0.1", port=server.port, dbname=database, user=role, password=password)
