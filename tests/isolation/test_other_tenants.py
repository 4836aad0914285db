"""A hostile tenant: what its issued credentials reach and show of other tenants and of the platform."""

from contextlib import closing

from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query


def test_no_database_of_the_server_lets_it_in_but_its_own(stack: Stack, attacker: Tenant, session: Connection) -> None:
    open_to_it = "SELECT datname FROM pg_database WHERE has_database_privilege(session_user, oid, 'CONNECT')"
    # template0 accepts no connection, whatever its privileges say.
    assert query(session, f"{open_to_it} AND datallowconn") == [(attacker.names.database,)]
    assert ("template0", False) in execute(stack, "SELECT datname, datallowconn FROM pg_database")


def test_of_another_tenants_sessions_it_sees_no_statement_and_no_address(victim: Tenant, session: Connection) -> None:
    with closing(victim.connect()) as other:
        query(other, "SELECT 'the statement of the victim'")
        shown = query(
            session,
            "SELECT query, client_addr, state FROM pg_stat_activity WHERE usename = %s",
            victim.names.login_role,
        )
    assert shown == [("<insufficient privilege>", None, None)]


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
