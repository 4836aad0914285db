"""A server whose shared roles may do more than a tenant is refused as a cluster, before PostgreSQL 16 and since."""

from contextlib import closing
from typing import Any

import pytest
from psycopg2 import sql

from local.postgres import PostgresServer
from provisioning.cluster import creators
from provisioning.cluster.preparation import prepare_cluster
from provisioning.errors import Misconfigured
from tests.provisioning.odd_cluster import ADMIN, server
from tests.provisioning.shared_role_powers import POWERS

__all__ = ["server"]
pytestmark = pytest.mark.slow


def run(server: PostgresServer, *statements: str | sql.Composable) -> list[tuple[Any, ...]]:
    """Run statements as superuser, and return the rows of the last."""
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(("granting", "power"), POWERS)
def test_a_shared_role_with_a_power_is_not_adopted_until_it_is_taken_away(
    server: PostgresServer, granting: str, power: str
) -> None:
    run(server, granting)
    with pytest.raises(Misconfigured) as refused:
        prepare_cluster(server.connect, ADMIN)
    held, _, statements = str(refused.value).partition(". As a superuser: ")
    assert held == f"every tenant could use what a shared role has: service_role has {power}"
    run(server, *(f"{one};" for one in statements.split(";")[:-1]))
    prepare_cluster(server.connect, ADMIN)


def test_every_power_of_every_shared_role_is_named_at_once(server: PostgresServer) -> None:
    given, taken = (sql.SQL(attributes) for attributes in ("BYPASSRLS CREATEDB", "NOBYPASSRLS NOCREATEDB"))
    alter = [(sql.SQL("ALTER ROLE {} {}"), sql.Identifier(role)) for role in creators.SHARED_ROLES]
    run(server, *(statement.format(role, given) for statement, role in alter))
    try:
        with pytest.raises(Misconfigured) as refused:
            prepare_cluster(server.connect, ADMIN)
    finally:
        run(server, *(statement.format(role, taken) for statement, role in alter))
    said = str(refused.value)
    assert [f"{role} has {power}" in said for role in creators.SHARED_ROLES for power in ("BYPASSRLS", "CREATEDB")] == (
        [True] * 6
    )


def test_nothing_is_changed_on_a_server_that_is_refused(server: PostgresServer) -> None:
    run(server, "GRANT CONNECT ON DATABASE template1 TO PUBLIC", "ALTER ROLE anon CREATEDB")
    try:
        with pytest.raises(Misconfigured):
            prepare_cluster(server.connect, ADMIN)
        let_in = "SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = 'template1' AND grantee = 0"
        assert run(server, let_in) == [(1,)]
    finally:
        run(server, "ALTER ROLE anon NOCREATEDB")
        prepare_cluster(server.connect, ADMIN)
