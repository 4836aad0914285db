"""With its issued credentials a hostile tenant can do nothing outside its own database."""

from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.bootstrap import ADMIN, CONTROL_PLANE_OWNER
from local.stack import Stack
from provisioning import postgres
from provisioning.aws import secrets
from provisioning.cluster import session as sessions
from provisioning.tenant import schema
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query

PREDEFINED_ROLES = (
    "pg_read_all_data",
    "pg_write_all_data",
    "pg_monitor",
    "pg_signal_backend",
    "pg_execute_server_program",
)
UNTRUSTED_EXTENSIONS = ("dblink", "postgres_fdw", "file_fdw", "pg_stat_statements", "pageinspect", "pg_buffercache")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.mine ()",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE public.mine AS ENUM ()",
        "CREATE OPERATOR public.+ (LEFTARG = text, RIGHTARG = text, FUNCTION = textcat)",
    ],
)
def test_it_creates_nothing_in_public(session: Connection, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        query(session, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE mine",
        "CREATE USER mine",
        "CREATE DATABASE mine",
        "CREATE ROLE mine SUPERUSER",
        "ALTER ROLE CURRENT_USER CREATEROLE",
        "ALTER ROLE SESSION_USER SUPERUSER",
        "ALTER ROLE SESSION_USER BYPASSRLS",
        "ALTER ROLE SESSION_USER CONNECTION LIMIT -1",
        "GRANT {admin} TO SESSION_USER",
        "GRANT pg_read_server_files TO SESSION_USER",
        "GRANT service_role TO {admin}",
    ],
)
def test_it_makes_no_role_and_gives_itself_no_power(session: Connection, statement: str) -> None:
    with pytest.raises(psycopg2.errors.Error) as raised:
        query(session, sql.SQL(statement).format(admin=sql.Identifier(ADMIN)))
    assert raised.value.pgcode in {"42501", "0LP01"}, raised.value


@pytest.mark.parametrize("role", ["postgres", ADMIN, CONTROL_PLANE_OWNER])
@pytest.mark.parametrize("statement", ["SET SESSION AUTHORIZATION", "SET ROLE"])
def test_it_becomes_nobody_of_the_platform(session: Connection, statement: str, role: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        query(session, sql.SQL("{} {}").format(sql.SQL(statement), sql.Identifier(role)))


@pytest.mark.parametrize("statement", ["SET SESSION AUTHORIZATION", "SET ROLE"])
def test_it_does_not_become_the_creator_of_its_roles(stack: Stack, session: Connection, statement: str) -> None:
    creators = execute(stack, "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'provisioner_creator_')")
    assert creators
    for (creator,) in creators:
        with pytest.raises(InsufficientPrivilege):
            query(session, sql.SQL("{} {}").format(sql.SQL(statement), sql.Identifier(creator)))


@pytest.mark.parametrize("statement", ["SET SESSION AUTHORIZATION", "SET ROLE"])
def test_it_does_not_become_another_tenant(victim: Tenant, session: Connection, statement: str) -> None:
    for role in (victim.names.login_role, victim.names.owner_role):
        with pytest.raises(InsufficientPrivilege):
            query(session, sql.SQL("{} {}").format(sql.SQL(statement), sql.Identifier(role)))


@pytest.mark.parametrize("role", PREDEFINED_ROLES)
def test_it_has_no_predefined_role(session: Connection, role: str) -> None:
    assert query(session, "SELECT pg_has_role(session_user, %s, 'MEMBER')", role) == [(False,)]


@pytest.mark.parametrize("extension", UNTRUSTED_EXTENSIONS)
def test_no_extension_that_leaves_the_database_can_be_installed(
    stack: Stack, session: Connection, extension: str
) -> None:
    named = sql.SQL("SELECT count(*) FROM pg_available_extensions WHERE name = {}").format(sql.Literal(extension))
    (available,) = execute(stack, named)[0]
    if not available:
        pytest.skip(f"this PostgreSQL was built without {extension}")
    with pytest.raises(InsufficientPrivilege):
        query(session, sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(extension)))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE FUNCTION tenant.evil() RETURNS void LANGUAGE c AS '/tmp/evil', 'evil'",
        "CREATE FUNCTION tenant.evil() RETURNS void LANGUAGE internal AS 'pg_reload_conf'",
        "CREATE EVENT TRIGGER evil ON ddl_command_end EXECUTE FUNCTION tenant.current_user_id()",
        "CREATE FOREIGN DATA WRAPPER evil",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/evil'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_reload_conf()",
        "ALTER SYSTEM SET log_statement = 'none'",
        "SET log_statement = 'none'",
        "SET session_preload_libraries = 'evil'",
        "LOAD '/tmp/evil.so'",
        "CREATE SUBSCRIPTION evil CONNECTION 'dbname=postgres' PUBLICATION evil WITH (connect = false)",
        "CREATE TABLESPACE evil LOCATION '/tmp'",
    ],
)
def test_nothing_leads_out_of_the_database(session: Connection, statement: str) -> None:
    with pytest.raises(psycopg2.errors.Error) as raised:
        query(session, statement)
    assert raised.value.pgcode in {"42501", "58P01"}, raised.value


def test_no_function_of_its_database_runs_with_the_powers_of_somebody_else(
    attacker: Tenant, session: Connection
) -> None:
    foreign = query(
        session,
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace <> 'pg_catalog'::regnamespace"
        " AND proowner <> %s::regrole",
        attacker.names.owner_role,
    )
    assert foreign == []


def test_what_it_puts_into_public_replaces_nothing_that_the_platform_calls(
    stack: Stack, attacker: Tenant, session: Connection
) -> None:
    """As the owner of its database it can open public to itself again, but the platform's sessions do not search it."""
    query(session, "GRANT CREATE ON SCHEMA public TO pg_database_owner")
    query(session, "GRANT USAGE ON SCHEMA public TO PUBLIC")
    query(
        session,
        "CREATE FUNCTION public.hashtextextended(text, integer) RETURNS bigint LANGUAGE plpgsql"
        " AS 'BEGIN RAISE ''as %'', current_user; END'",
    )
    query(session, "GRANT EXECUTE ON FUNCTION public.hashtextextended(text, integer) TO PUBLIC")
    (admin_secret_id,) = execute(
        stack, "SELECT admin_secret_id FROM control_plane.clusters WHERE cluster_id = 'local'", "control_plane"
    )[0]
    credentials = secrets.read(admin_secret_id)
    asked = "SELECT hashtextextended('x', 0)"
    try:
        with (
            closing(schema.connect(attacker.secret)) as upgrading,
            closing(
                postgres.connect(credentials, statement_timeout_seconds=5, dbname=attacker.names.database)
            ) as admin,
        ):
            sessions.send(upgrading, schema.QUERIES["lock_schema"])
            assert len(query(upgrading, asked)) == len(query(admin, asked)) == 1
            query(admin, "SET search_path = public")
            with pytest.raises(psycopg2.errors.RaiseException, match=f"as {ADMIN}"):
                query(admin, asked)
    finally:
        query(session, "DROP FUNCTION public.hashtextextended(text, integer)")
        query(session, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        query(session, "REVOKE CREATE ON SCHEMA public FROM pg_database_owner")


def test_a_function_that_runs_as_its_owner_reaches_no_further_than_the_tenant(session: Connection) -> None:
    query(
        session,
        "CREATE OR REPLACE FUNCTION tenant.escalate(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER"
        " AS 'BEGIN EXECUTE statement; END'",
    )
    for statement in ("CREATE ROLE mine", f"SET ROLE {ADMIN}", "SELECT * FROM pg_authid"):
        with pytest.raises(psycopg2.errors.Error):
            query(session, "SELECT tenant.escalate(%s)", statement)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_row_level_security_cannot_be_turned_off(session: Connection, role: str) -> None:
    query(session, sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    for statement in (
        "ALTER TABLE tenant.users DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.users NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY users_read_self ON tenant.users",
        "CREATE POLICY open ON tenant.users USING (true)",
    ):
        with pytest.raises(InsufficientPrivilege):
            query(session, statement)


def test_row_level_security_shows_anon_nothing_and_a_user_only_itself(session: Connection) -> None:
    query(session, "SET ROLE service_role")
    query(session, "INSERT INTO tenant.users (email) VALUES ('a@example.com'), ('b@example.com')")
    (someone, *_) = query(session, "SELECT user_id::text FROM tenant.users")
    query(session, "RESET ROLE")
    query(session, "SET ROLE anon")
    with pytest.raises(InsufficientPrivilege):
        query(session, "SELECT * FROM tenant.users")
    query(session, "RESET ROLE")
    query(session, "SET ROLE authenticated")
    assert query(session, "SELECT * FROM tenant.users") == []
    query(session, "SELECT set_config('request.jwt.claims', json_build_object('sub', %s)::text, false)", *someone)
    assert query(session, "SELECT user_id::text FROM tenant.users") == [someone]
    # row_security = off makes a statement fail that a policy would have filtered: it filters nothing less.
    query(session, "SET row_security = off")
    with pytest.raises(InsufficientPrivilege):
        query(session, "SELECT * FROM tenant.users")


def test_what_postgresql_keeps_of_every_password_is_a_scram_verifier(stack: Stack, attacker: Tenant) -> None:
    kept = execute(stack, "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL")
    assert attacker.names.login_role in dict(kept)
    assert {role for role, verifier in kept if not verifier.startswith("SCRAM-SHA-256$")} == set()
