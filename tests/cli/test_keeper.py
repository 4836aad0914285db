"""The keeper has every tenant's roles before 16; doctor names those that it lacks, cluster add adds them."""

from contextlib import closing

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning.cluster import keeper
from provisioning.cluster.creators import KEEPER
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.identity import Tenant, new_tenant_id
from provisioning.tenant import making
from tests.cli.test_doctor_roles import found, run
from tests.provisioning.conftest import make_tenant, secrets_manager
from tests.provisioning.odd_cluster import ADMIN, REFILL, server, tenant, version

__all__ = ["secrets_manager", "server", "tenant"]
pytestmark = pytest.mark.slow
LOST = f"{ADMIN} may not grant the roles of {{}} tenants after an upgrade to PostgreSQL 16"


def not_kept(superuser: Connection, tenant: Tenant) -> set[str]:
    return {tenant.names.owner_role, tenant.names.login_role} & set(keeper.find(superuser).not_kept)


def test_before_16_a_tenants_roles_are_kept_when_they_are_made_and_the_admin_is_no_member(
    server: PostgresServer, tenant: Tenant
) -> None:
    with closing(server.connect(REGISTER)) as superuser, superuser.cursor() as cursor:
        assert bool(not_kept(superuser, tenant)) == (version(server) == "18")
        cursor.execute("SELECT count(*) FROM pg_auth_members WHERE roleid = to_regrole(%s)::oid", (KEEPER,))
        assert cursor.fetchone() == (0,)


def test_before_16_doctor_names_what_an_upgrade_would_lose_and_preparing_again_keeps_it(
    server: PostgresServer, tenant: Tenant
) -> None:
    is_old = version(server) == "15"
    if is_old:
        run(server, tenant, "DROP OWNED BY {k}; DROP ROLE {k}", k=sql.Identifier(KEEPER))
    another = make_tenant(new_tenant_id())._replace(cluster=tenant.cluster)
    making.make_database(another, REFILL, lambda: None)
    with closing(server.connect(REGISTER)) as superuser:
        lost = len({role[7:27] for role in keeper.find(superuser).not_kept})
        assert lost >= 2
        assert [one.fact for one in found(tenant)] == ([LOST.format(lost)] if is_old else [])
        prepare_cluster(server.connect, ADMIN)
        assert found(tenant) == []
        assert bool(not_kept(superuser, another)) == (not is_old)
