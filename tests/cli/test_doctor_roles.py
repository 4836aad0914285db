"""provision doctor finds privileges that are held through roles, by any name, on servers before and since 16."""

import re
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli.doctor_cluster import examine_cluster
from cli.findings import Finding
from local.postgres import RESERVED_CONNECTIONS, PostgresServer
from provisioning.cluster import connections, creators, repair, session
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.examination.known import Known, KnownTenant
from provisioning.identity import Tenant
from tests.cli.examining import WITHOUT_FSYNC
from tests.cli.mending import send
from tests.provisioning.conftest import secrets_manager
from tests.provisioning.odd_cluster import ADMIN, REFILL, die_joined, server, tenant, version
from tests.provisioning.shared_role_powers import POWERS

__all__ = ["secrets_manager", "server", "tenant"]
pytestmark = pytest.mark.slow


def found(tenant: Tenant) -> list[Finding]:
    """What is to be corrected on the cluster, which has that tenant in its pool."""
    one = KnownTenant(tenant.tenant_id, "c-1", "ready", None, None, False, False, False, None, [], [], [])
    known = Known(REFILL.control_plane_id, {"c-1": 9}, lambda: [one])
    others = re.compile(r"^tenant[ _](?!" + tenant.tenant_id + ")")
    found = [one for one in examine_cluster(tenant.cluster, known) if one.remedy and not others.match(one.fact)]
    return [one for one in found if WITHOUT_FSYNC not in one.fact]


def run(server: PostgresServer, tenant: Tenant, *statements: str, **parts: sql.Composable) -> None:
    """Run statements as superuser: in them, {a} is the admin, {o} and {l} are the tenant's roles, others the parts."""
    names = {"a": ADMIN, "o": tenant.names.owner_role, "l": tenant.names.login_role}
    known = {key: sql.Identifier(name) for key, name in names.items()} | parts
    with closing(server.connect(REGISTER)) as superuser, superuser.cursor() as cursor:
        for statement in statements:
            cursor.execute(sql.SQL(statement).format(**known))


def mend(server: PostgresServer, finding: Finding) -> None:
    def admin() -> Connection:
        opened: Connection = psycopg2.connect(
            host="127.0.0.1", port=server.port, user=ADMIN, password="admin", dbname=REGISTER
        )
        return opened

    send(finding, admin=admin, superuser=server.connect)


@pytest.fixture
def ops(server: PostgresServer, tenant: Tenant) -> Iterator[None]:
    """Two roles of the operators, one a member of the other, which reads everything."""
    run(server, tenant, 'CREATE ROLE "Ops"', "CREATE ROLE readers", 'GRANT readers TO "Ops"')
    run(server, tenant, "GRANT pg_read_all_data TO readers")
    yield
    run(server, tenant, 'DROP ROLE "Ops", readers')
    prepare_cluster(server.connect, ADMIN)


def test_an_admin_whose_name_needs_quotes_is_examined_like_any_other(tenant: Tenant) -> None:
    assert found(tenant) == []


@pytest.mark.usefixtures("ops")
@pytest.mark.parametrize("inherits", [True, False])
def test_what_the_admin_may_grant_through_a_role_counts_if_it_inherits_from_it(
    server: PostgresServer, tenant: Tenant, inherits: bool
) -> None:
    run(server, tenant, "REVOKE anon FROM {a} CASCADE", "GRANT anon TO readers WITH ADMIN OPTION")
    if version(server) == "15":
        run(server, tenant, 'GRANT "Ops" TO {a}')
    else:
        run(server, tenant, 'GRANT "Ops" TO {a} WITH INHERIT {inherits}', inherits=sql.Literal(inherits))
    run(server, tenant, "ALTER ROLE {a} INHERIT" if inherits else "ALTER ROLE {a} NOINHERIT")
    withheld = [one.fact for one in found(tenant) if "may not grant" in one.fact]
    run(server, tenant, "ALTER ROLE {a} INHERIT", "REVOKE anon FROM readers")
    assert withheld == ([] if inherits else [f"{ADMIN} may not grant anon"])


@pytest.mark.usefixtures("ops")
def test_a_tenants_login_that_reads_everything_through_two_roles(server: PostgresServer, tenant: Tenant) -> None:
    run(server, tenant, 'GRANT "Ops" TO {l}')
    (told,) = found(tenant)
    login = tenant.names.login_role
    assert told.fact == (f"tenant {tenant.tenant_id}: {login} may use Ops, and through it readers, pg_read_all_data")
    mend(server, told)
    assert found(tenant) == []


@pytest.mark.usefixtures("ops")
def test_a_membership_without_any_option_gives_nothing(server: PostgresServer, tenant: Tenant) -> None:
    if version(server) == "15":
        run(server, tenant, "ALTER ROLE readers NOINHERIT", 'GRANT "Ops" TO {l}')
        (told,) = found(tenant)
        assert "readers" in told.fact, "before 16 every member may SET ROLE"
        mend(server, told)
    else:
        run(server, tenant, 'GRANT "Ops" TO {l} WITH INHERIT FALSE, SET FALSE')
    assert found(tenant) == []


@pytest.mark.usefixtures("ops")
def test_what_a_shared_role_may_is_told_once_and_not_for_every_login(server: PostgresServer, tenant: Tenant) -> None:
    run(server, tenant, "GRANT pg_read_all_data TO anon")
    (told,) = found(tenant)
    assert told.fact == "anon, which every tenant may become, has membership in pg_read_all_data"
    mend(server, told)
    assert found(tenant) == []


@pytest.mark.usefixtures("ops")
def test_an_admin_that_is_a_tenants_owner_through_a_role(server: PostgresServer, tenant: Tenant) -> None:
    run(server, tenant, "GRANT {o} TO readers", 'GRANT "Ops" TO {a}')
    (told,) = found(tenant)
    assert told.fact == f"tenant {tenant.tenant_id}: {ADMIN} may use {tenant.names.owner_role} through Ops, readers"
    mend(server, told)
    assert found(tenant) == []


def test_an_admin_that_may_become_a_superuser(server: PostgresServer, tenant: Tenant) -> None:
    run(server, tenant, "CREATE ROLE boss SUPERUSER", "GRANT boss TO {a}")
    (told,) = found(tenant)
    assert told.fact == f"{ADMIN} may use boss"
    mend(server, told)
    assert found(tenant) == []
    run(server, tenant, "DROP ROLE boss")


def test_memberships_of_a_process_that_died_are_told_until_upkeep_has_ended_them(tenant: Tenant) -> None:
    die_joined(tenant)
    told = found(tenant)
    roles = {tenant.names.owner_role, tenant.names.login_role}
    assert {role for role in roles for one in told if f"may use {role}" in one.fact} == roles
    assert {one.remedy.partition(" ")[0] for one in told} == {"Reconcile"}
    repair.repair(tenant.cluster)
    assert found(tenant) == []


def test_a_tenants_login_with_an_attribute(server: PostgresServer, tenant: Tenant) -> None:
    run(server, tenant, "ALTER ROLE {l} CREATEDB REPLICATION")
    (told,) = found(tenant)
    assert told.fact.endswith(f"{tenant.names.login_role} has CREATEDB and REPLICATION")
    mend(server, told)
    assert found(tenant) == []


@pytest.mark.parametrize(("granting", "power"), POWERS)
def test_a_shared_role_with_a_power(server: PostgresServer, tenant: Tenant, granting: str, power: str) -> None:
    run(server, tenant, granting)
    (told,) = [one for one in found(tenant) if one.fact.startswith("service_role")]
    assert told.fact == f"service_role, which every tenant may become, has {power}"
    mend(server, told)
    assert found(tenant) == []


@pytest.mark.parametrize("database", [REGISTER, "postgres"])
def test_a_shared_role_that_may_connect_to_a_database_of_the_platform(
    server: PostgresServer, tenant: Tenant, database: str
) -> None:
    run(server, tenant, "GRANT CONNECT ON DATABASE {database} TO anon", database=sql.Identifier(database))
    (told,) = found(tenant)
    assert told.fact == f"a tenant's login, as anon, may connect to the database {database}"
    mend(server, told)
    assert found(tenant) == []


def test_a_creator_that_may_grant_by_two_grantors_is_usable(server: PostgresServer, tenant: Tenant) -> None:
    if version(server) == "15":
        pytest.skip("a server before 16 has no creators")
    with closing(server.connect(REGISTER)) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT name FROM register.creators ORDER BY name")
        names = [name for (name,) in cursor.fetchall()]
    granted = "GRANT anon TO {creator} WITH ADMIN OPTION GRANTED BY postgres"
    run(server, tenant, granted, creator=sql.Identifier(names[0]))
    assert creators.is_creator(names[0])
    assert found(tenant) == []


def test_connections_are_kept_where_the_server_can_keep_some(server: PostgresServer, tenant: Tenant) -> None:
    kept = 0 if version(server) == "15" else RESERVED_CONNECTIONS
    with closing(session.connect(tenant.cluster)) as admin:
        assert connections.find(admin).kept == kept
    one = tenant._replace(cluster=tenant.cluster._replace(capacity=9))
    told = [one.remedy for one in found(one)]
    assert told == ([] if kept else ["upgrade the server to PostgreSQL 16, or lower the cluster's capacity to 8"])
