"""A tenant's database is removed while autovacuum works in it, although the admin may not signal its workers."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from local.postgres import PostgresServer
from provisioning import control_plane, postgres
from provisioning.aws.secrets import Secret
from provisioning.cluster import register, session
from provisioning.cluster.preparation import prepare_cluster
from provisioning.control_plane import Cluster, ControlPlane, connection
from provisioning.identity import Tenant, new_tenant_id
from provisioning.tenant import holding, making, removing, schema
from upkeep import migrate

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SLOWLY = {"autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1"}
WORKERS = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'autovacuum worker'"
CLUSTER = "local"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A prepared cluster with the control plane on it, and an admin who is no superuser."""
    with PostgresServer(tmp_path_factory.mktemp("cluster"), fsync=False) as running:
        with closing(running.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute("CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD 'admin'")
            cursor.execute("CREATE ROLE keeper LOGIN PASSWORD 'keeper'")
            cursor.execute("CREATE DATABASE control_plane OWNER keeper")
        with closing(running.connect("control_plane")) as superuser, superuser.cursor() as cursor:
            cursor.execute("ALTER SCHEMA public OWNER TO keeper")
        prepare_cluster(running.connect, "admin")
        yield running


@pytest.fixture
def control(
    server: PostgresServer, secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch
) -> Iterator[ControlPlane]:
    """The control plane, which knows the only cluster, and the settings for both."""
    keeper = {"host": "127.0.0.1", "port": server.port, "dbname": "control_plane"}
    keeper |= {"username": "keeper", "password": "keeper"}
    secrets_manager.create_secret(Name="control-plane", SecretString=json.dumps(keeper))
    secrets_manager.create_secret(Name="admin", SecretString=json.dumps({"username": "admin", "password": "admin"}))
    monkeypatch.setenv("CONTROL_PLANE_SECRET_ID", "control-plane")
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    monkeypatch.setattr(connection, "_environment", threading.local())
    monkeypatch.setattr(session, "_environment", threading.local())
    migrate.apply_migrations(keeper)
    opened = control_plane.connect()
    opened.record_cluster(
        Cluster(CLUSTER, "us-east-1", "postgresql", "18", "db.t3.micro", "127.0.0.1", server.port, "admin", 10)
    )
    yield opened
    opened.connection.close()
    for one in session._environment.sessions.values():
        one.close()


@pytest.fixture
def tenant(control: ControlPlane) -> Tenant:
    """A tenant of the pool whose database exists, recorded as by the refill."""
    tenant_id = new_tenant_id()
    known = {"cluster_id": CLUSTER, "fingerprint": schema.fingerprint()}
    control.execute(holding.QUERIES["record_making"], tenant_id=tenant_id, **known)
    found = holding.find(control, tenant_id)
    assert found is not None
    return found


@pytest.fixture
def secret(control: ControlPlane, tenant: Tenant) -> Secret:
    return making.make_database(tenant, register.holder_of(control, None, None), lambda: None)


@pytest.fixture
def autovacuum(server: PostgresServer, tenant: Tenant, secret: Secret) -> Iterator[None]:
    """A worker of autovacuum that stays busy in the tenant's database for longer than a test lasts."""
    with closing(server.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        for name, value in SLOWLY.items():
            cursor.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        cursor.execute("SELECT pg_reload_conf()")
        with closing(server.connect(tenant.names.database)) as inside, inside.cursor() as tables:
            tables.execute("CREATE TABLE public.large AS SELECT repeat('x', 500) FROM generate_series(1, 20000)")
            tables.execute("DELETE FROM public.large")
        deadline = time.monotonic() + 30
        while not at_work(cursor, tenant):
            assert time.monotonic() < deadline, "autovacuum never came"
        yield
        cursor.execute("ALTER SYSTEM RESET ALL")
        cursor.execute("SELECT pg_reload_conf()")


@pytest.fixture(params=[False, True], ids=["that signals its own", "that signals every session"])
def admin(request: pytest.FixtureRequest, server: PostgresServer) -> Iterator[None]:
    """The admin, once as on the laptop and once with the rights of the RDS master user."""
    with closing(server.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        if request.param:
            cursor.execute("GRANT pg_signal_backend TO admin")
        yield
        cursor.execute("REVOKE pg_signal_backend FROM admin")


@pytest.mark.usefixtures("admin", "autovacuum")
@pytest.mark.parametrize("connected", [False, True])
def test_a_database_is_removed_while_autovacuum_works_in_it(
    control: ControlPlane, tenant: Tenant, secret: Secret, connected: bool
) -> None:
    with ExitStack() as sessions:
        if connected:
            sessions.enter_context(closing(log_in(secret)))
        removal = removing.remove(control, tenant)
    names = tenant.names
    assert removal == removing.Removal([names.database, names.login_role, names.owner_role, names.secret])


def at_work(cursor: Cursor, tenant: Tenant) -> bool:
    """Return whether a worker of autovacuum is in the tenant's database."""
    cursor.execute(WORKERS, (tenant.names.database,))
    return bool(cursor.fetchall())


def log_in(secret: Secret) -> Connection:
    """Open a connection as the tenant."""
    return postgres.connect(secret.document, statement_timeout_seconds=10)
