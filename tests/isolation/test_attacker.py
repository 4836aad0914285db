"""What a hostile tenant makes in its own database gives nobody more rights, and shows no row to whom it is not for."""

from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning import postgres
from provisioning.aws import secrets
from provisioning.cluster import session as sessions
from provisioning.tenant import schema
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query


def test_what_it_puts_into_public_replaces_nothing_that_the_platform_calls(
    stack: Stack, attacker: Tenant, session: Connection
) -> None:
    """As the owner of its database it can open public to everybody, but the platform's sessions do not search it."""
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
