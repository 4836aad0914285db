"""A hostile tenant: what its issued credentials reach and show of other tenants and of the platform."""

from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query


def test_it_cannot_connect_to_another_tenants_database(attacker: Tenant, victim: Tenant) -> None:
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        attacker.connect(victim.names.database)


@pytest.mark.parametrize("database", ["control_plane", "provisioner_register", "postgres", "template1", "template0"])
def test_it_cannot_connect_to_a_database_of_the_platform(attacker: Tenant, database: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"permission denied|not currently accepting connections"):
        attacker.connect(database)


def test_no_database_of_the_server_lets_it_in_but_its_own(stack: Stack, attacker: Tenant, session: Connection) -> None:
    open_to_it = "SELECT datname FROM pg_database WHERE has_database_privilege(session_user, oid, 'CONNECT')"
    # template0 accepts no connection, whatever its privileges say.
    assert query(session, f"{open_to_it} AND datallowconn") == [(attacker.names.database,)]
    assert ("template0", False) in execute(stack, "SELECT datname, datallowconn FROM pg_database")


def test_another_tenants_password_does_not_open_with_its_own_name(attacker: Tenant, victim: Tenant) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        attacker.connect(victim.names.database, username=victim.names.login_role)


def test_the_owner_of_another_tenants_database_does_not_log_in(victim: Tenant) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"not permitted to log in|password authentication failed"):
        victim.connect(username=victim.names.owner_role)


def test_of_another_tenants_sessions_it_sees_no_statement_and_no_address(victim: Tenant, session: Connection) -> None:
    with closing(victim.connect()) as other:
        query(other, "SELECT 'the statement of the victim'")
        shown = query(
            session,
            "SELECT query, client_addr, state FROM pg_stat_activity WHERE usename = %s",
            victim.names.login_role,
        )
    assert shown == [("<insufficient privilege>", None, None)]


def test_another_tenants_size_is_not_to_be_seen(victim: Tenant, session: Connection) -> None:
    with pytest.raises(InsufficientPrivilege):
        query(session, "SELECT pg_database_size(%s)", victim.names.database)


@pytest.mark.parametrize("catalog", ["pg_authid", "pg_shadow"])
def test_verifiers_are_not_to_be_seen(session: Connection, catalog: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        query(session, sql.SQL("SELECT * FROM {}").format(sql.Identifier(catalog)))


def test_another_tenants_row_in_the_catalogs_holds_nothing_that_opens_anything(
    victim: Tenant, session: Connection
) -> None:
    """pg_roles, pg_database and pg_shdescription are open to every login of a PostgreSQL server."""
    (role,) = query(session, "SELECT row_to_json(pg_roles) FROM pg_roles WHERE rolname = %s", victim.names.login_role)
    (database,) = query(session, "SELECT row_to_json(d) FROM pg_database d WHERE datname = %s", victim.names.database)
    shown = repr((role, database))
    assert role[0]["rolpassword"] == "********"
    assert victim.secret["password"] not in shown
    assert not [key["key_id"] for key in victim.api_keys if key["key"] in shown]


def test_another_roles_settings_are_those_that_every_tenant_has(
    attacker: Tenant, victim: Tenant, session: Connection
) -> None:
    """pg_db_role_setting is open to every login of a PostgreSQL server, so it must contain nothing of a tenant."""
    rows = query(
        session,
        "SELECT rolname, setconfig FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole"
        " WHERE rolname IN (%s, %s) ORDER BY rolname, setdatabase",
        attacker.names.login_role,
        victim.names.login_role,
    )
    mine = [
        [line.replace(attacker.names.database, "*") for line in settings]
        for role, settings in rows
        if role == attacker.names.login_role
    ]
    others = [
        [line.replace(victim.names.database, "*") for line in settings]
        for role, settings in rows
        if role == victim.names.login_role
    ]
    assert mine == others != []


@pytest.mark.parametrize("what", ["SET statement_timeout = 0", "RESET ALL", "PASSWORD 'mine'", "NOLOGIN"])
def test_it_cannot_change_another_role(victim: Tenant, session: Connection, what: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        query(session, sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(victim.names.login_role), sql.SQL(what)))


def test_it_cannot_end_or_cancel_another_tenants_session(victim: Tenant, session: Connection) -> None:
    with closing(victim.connect()) as other:
        for function in ("pg_terminate_backend", "pg_cancel_backend"):
            with pytest.raises(InsufficientPrivilege):
                query(session, sql.SQL("SELECT {}(%s)").format(sql.Identifier(function)), other.info.backend_pid)
        assert query(other, "SELECT 1") == [(1,)]
