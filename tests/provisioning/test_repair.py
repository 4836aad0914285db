"""What a process that died has left in the roles of a cluster is found and repaired, on both kinds of server."""

from contextlib import closing
from typing import Any

import pytest
from psycopg2 import sql

from local.postgres import PostgresServer
from provisioning.cluster import register, repair, session
from provisioning.identity import Tenant
from provisioning.tenant import making, removing
from tests.executions.running import eventually
from tests.provisioning.odd_cluster import REFILL, die_joined, server, tenant
from tests.stages.jobs import Died, dying

__all__ = ["server", "tenant"]
pytestmark = pytest.mark.slow


def memberships(server: PostgresServer, tenant: Tenant) -> list[tuple[Any, ...]]:
    """Who is a member of the tenant's roles."""
    asked = "SELECT roleid::regrole::text, member::regrole::text, grantor FROM pg_auth_members"
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(f"{asked} WHERE roleid::regrole::text ~ %s ORDER BY 1, 2, 3", (tenant.tenant_id,))
        return cursor.fetchall()


def test_memberships_of_a_process_that_died_are_ended(server: PostgresServer, tenant: Tenant) -> None:
    before = memberships(server, tenant)
    die_joined(tenant)
    member = {who for _, who, _ in set(memberships(server, tenant)) - set(before)}
    assert len(member) == 1
    repaired = repair.repair(tenant.cluster)
    assert len(repaired) == 2
    assert all(tenant.names.database in one for one in repaired)
    assert memberships(server, tenant) == before
    assert repair.repair(tenant.cluster) == []


def test_making_that_died_before_it_left_the_roles_is_repaired(server: PostgresServer, tenant: Tenant) -> None:
    before = memberships(server, tenant)
    with dying(making, "_creation", after=False):
        names = [sql.Identifier(name) for name in (tenant.names.database,)]
        with closing(server.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(*names))
        with pytest.raises(Died):
            making.make_database(tenant, REFILL, lambda: None)
    assert memberships(server, tenant) != before
    assert len(repair.repair(tenant.cluster)) == 2
    assert memberships(server, tenant) == before


def test_a_tenant_that_somebody_works_on_is_left_to_him(server: PostgresServer, tenant: Tenant) -> None:
    before = memberships(server, tenant)
    die_joined(tenant)
    joined = memberships(server, tenant)
    with closing(session.connect(tenant.cluster)) as own:
        register.lock(own, tenant.names)
        assert repair.repair(tenant.cluster) == []
        assert memberships(server, tenant) == joined
    # The server releases the lock of a closed session a moment later.
    assert eventually(lambda: repair.repair(tenant.cluster) == [] and memberships(server, tenant) == before)


def test_creators_whose_tenants_roles_somebody_dropped_are_counted_again(
    server: PostgresServer, tenant: Tenant
) -> None:
    counts = "SELECT sum(tenants) FROM register.creators"
    with closing(server.connect(session.REGISTER)) as superuser, superuser.cursor() as cursor:
        cursor.execute(counts)
        before = cursor.fetchone()
        names = (tenant.names.database, tenant.names.login_role, tenant.names.owner_role)
        cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(names[0])))
        cursor.execute(sql.SQL("DROP ROLE {}, {}").format(*map(sql.Identifier, names[1:])))
        repaired = repair.repair(tenant.cluster)
        cursor.execute(counts)
        after = cursor.fetchone()
    if before == (None,):
        assert repaired == []
        return
    assert before is not None
    assert (repaired, after) == (["counts of creators"], (before[0] - 1,))


def test_an_admin_whose_name_needs_quotes_removes_what_it_made(server: PostgresServer, tenant: Tenant) -> None:
    _, found = session.on(
        tenant.cluster,
        lambda own: register.claim_removal(own, tenant.names, REFILL, must_be_named=False, may_be_active=False),
    )
    own, _ = session.on(tenant.cluster, lambda own: register.lock(own, tenant.names))
    removed: list[str] = []
    removing._drop(tenant, own, found, removed)
    assert set(removed) == {tenant.names.database, tenant.names.owner_role, tenant.names.login_role}
    assert memberships(server, tenant) == []


def test_a_role_that_somebody_dropped_is_made_again_by_the_next_attempt(server: PostgresServer, tenant: Tenant) -> None:
    before = memberships(server, tenant)
    with closing(server.connect(tenant.names.database)) as superuser, superuser.cursor() as cursor:
        login = sql.Identifier(tenant.names.login_role)
        cursor.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(login, login))
    secret = making.make_database(tenant, REFILL, lambda: None)
    assert memberships(server, tenant) == before
    assert making.make_schema(tenant, secret.document)["version"] > 0
