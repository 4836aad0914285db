"""A second admin of a server, and one that does not inherit: let in by cluster add, or refused with what lets it in."""

import re
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning.cluster.preparation import find_standing, prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.errors import Misconfigured
from provisioning.identity import Tenant, new_tenant_id
from provisioning.tenant import making
from tests.cli.test_doctor_roles import found, mend, run
from tests.provisioning.conftest import make_tenant, secrets_manager
from tests.provisioning.odd_cluster import ADMIN, REFILL, server, tenant, version

__all__ = ["secrets_manager", "server", "tenant"]
pytestmark = pytest.mark.slow
SECOND = "second"


@pytest.fixture
def second(server: PostgresServer) -> sql.Identifier:
    """Another role with all attributes of an admin."""
    name = sql.Identifier(SECOND)
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (SECOND,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD 'second'").format(name))
        cursor.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(ADMIN), name))
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres TO {}").format(name))
    return name


def as_second(server: PostgresServer, dbname: str) -> Connection:
    opened: Connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user=SECOND, password="second", dbname=dbname
    )
    opened.autocommit = True
    return opened


def uses_register(server: PostgresServer) -> bool:
    with closing(server.connect()) as superuser:
        return find_standing(superuser, SECOND).uses_register


@pytest.mark.usefixtures("second", "tenant")
def test_a_second_admin_is_let_in_or_refused_with_what_lets_it_in(server: PostgresServer) -> None:
    if version(server) == "15":
        prepare_cluster(lambda dbname: as_second(server, dbname), SECOND)
    else:
        with pytest.raises(Misconfigured) as refused:
            prepare_cluster(lambda dbname: as_second(server, dbname), SECOND)
        statement = re.findall(r"as a superuser: (GRANT .*;)", str(refused.value))[0]
        with closing(server.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute(statement)
        prepare_cluster(lambda dbname: as_second(server, dbname), SECOND)
    assert uses_register(server)
    with closing(as_second(server, REGISTER)) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM register.tenants")
        assert cursor.fetchone()


def test_before_16_an_admin_that_does_not_inherit_is_named_and_made_to(server: PostgresServer, tenant: Tenant) -> None:
    run(server, tenant, "ALTER ROLE {a} NOINHERIT")
    told = found(tenant)
    assert [one.fact for one in told] == (
        [f"{ADMIN} does not inherit (NOINHERIT), so it cannot use its tenants' roles before PostgreSQL 16"]
        if version(server) == "15"
        else []
    )
    for one in told:
        mend(server, one)
    assert found(tenant) == []
    run(server, tenant, "ALTER ROLE {a} NOINHERIT")
    prepare_cluster(server.connect, ADMIN)
    another = make_tenant(new_tenant_id())._replace(cluster=tenant.cluster)
    making.make_database(another, REFILL, lambda: None)
    run(server, tenant, "ALTER ROLE {a} INHERIT")
