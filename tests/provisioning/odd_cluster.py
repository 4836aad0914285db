"""A cluster of its own, on each kind of server, whose admin has a name that needs quotes, with one tenant on it."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from psycopg2 import sql

from local.postgres import PostgresServer
from provisioning.cluster import acting, session
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.register import Holder
from provisioning.control_plane import Cluster
from provisioning.identity import Tenant, new_tenant_id
from provisioning.tenant import making
from tests.provisioning.conftest import make_tenant
from tests.provisioning.older_server import PROGRAMS, OlderServer
from tests.stages.jobs import Died

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ADMIN = 'Prov."Admin".x'
REFILL = Holder("00000000-0000-0000-0000-000000000000", None, None)
SERVERS = [
    PostgresServer,
    pytest.param(OlderServer, marks=pytest.mark.skipif(not PROGRAMS.exists(), reason="there is no PostgreSQL 15")),
]


@pytest.fixture(scope="module", params=SERVERS, ids=["newest", "15"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A prepared cluster whose admin is no superuser, and has a name that needs quotes."""
    with request.param(tmp_path_factory.mktemp("cluster"), fsync=False) as running:
        with closing(running.connect()) as superuser, superuser.cursor() as cursor:
            made = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD 'admin'")
            cursor.execute(made.format(sql.Identifier(ADMIN)))
        prepare_cluster(running.connect, ADMIN)
        yield running


def version(server: PostgresServer) -> str:
    """The server's major version."""
    return "15" if isinstance(server, OlderServer) else "18"


@pytest.fixture
def tenant(
    server: PostgresServer, secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tenant]:
    """A tenant whose database and roles exist."""
    admin = {"username": ADMIN, "password": "admin", "host": "127.0.0.1", "port": server.port, "dbname": "postgres"}
    secrets_manager.create_secret(Name="admin", SecretString=json.dumps(admin))
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    monkeypatch.setattr(session, "_environment", threading.local())
    cluster = Cluster("c-1", "us-east-1", "postgresql", version(server), "small", "127.0.0.1", server.port, "admin", 8)
    made = make_tenant(new_tenant_id())._replace(cluster=cluster)
    making.make_database(made, REFILL, lambda: None)
    yield made
    for one in session._environment.sessions.values():
        one.close()


def die_joined(tenant: Tenant) -> None:
    """Join the tenant's roles as a suspension does, and die before they are left."""
    roles = [tenant.names.owner_role, tenant.names.login_role]
    with closing(session.connect(tenant.cluster)) as own, pytest.raises(Died), acting.joined(own, roles):
        raise Died
