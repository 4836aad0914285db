"""What a tenant's login can reach of what is not its own: nothing."""

import json
import uuid
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql

from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.isolation.tenants import Tenant, ask, provision, refusal, session

PERMISSION_DENIED = "42501"
REFUSED_AT_THE_DOOR = "permission denied for database|no pg_hba.conf entry|not currently accepting connections"

Pair = tuple[Tenant, Tenant]


@pytest.fixture(scope="module")
def pair(stack: Stack, new_project: NewProject) -> Pair:
    """An attacker and its victim, both live."""
    return provision(stack, new_project), provision(stack, new_project)


@pytest.fixture(scope="module")
def attacker(pair: Pair) -> Tenant:
    return pair[0]


@pytest.fixture(scope="module")
def victim(pair: Pair) -> Tenant:
    return pair[1]


def test_its_own_database_is_open_to_it(attacker: Tenant) -> None:
    assert ask(attacker, "SELECT current_database()::text") == [(attacker.database,)]


@pytest.mark.parametrize(
    "database", [lambda victim: victim.database, *("control_plane", "postgres", "template1", "template0")], ids=str
)
def test_it_can_connect_to_no_other_database(pair: Pair, database: str | Callable[[Tenant], str]) -> None:
    attacker, victim = pair
    name = database if isinstance(database, str) else database(victim)
    with pytest.raises(psycopg2.OperationalError, match=REFUSED_AT_THE_DOOR), session(attacker, dbname=name):
        pass


def test_its_password_opens_no_other_login(pair: Pair) -> None:
    attacker, victim = pair
    with (
        pytest.raises(psycopg2.OperationalError, match="password authentication failed"),
        session(attacker, dbname=victim.database, user=victim.login),
    ):
        pass


def test_it_can_become_no_role_of_another_tenant_or_of_the_platform(pair: Pair) -> None:
    attacker, victim = pair
    for role in (victim.login, victim.owner, "provisioner_admin", "control_plane_owner", "pg_read_all_data"):
        assert refusal(attacker, "SELECT set_config('role', %s, false)", role) == PERMISSION_DENIED, role
        with session(attacker) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(role)))


def test_a_connection_string_that_names_another_role_is_refused(pair: Pair) -> None:
    attacker, victim = pair
    with pytest.raises(psycopg2.OperationalError, match="permission denied to set role"):
        psycopg2.connect(
            host=attacker.credentials["host"],
            port=attacker.credentials["port"],
            dbname=attacker.database,
            user=attacker.login,
            password=attacker.credentials["password"],
            options=f"-c role={victim.owner}",
        )


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE intruder",
        "CREATE ROLE intruder SUPERUSER",
        "CREATE DATABASE intruder",
        "CREATE TABLESPACE intruder LOCATION '/var/lib'",
        "ALTER ROLE CURRENT_USER CREATEROLE",
        "ALTER ROLE SESSION_USER BYPASSRLS",
        "ALTER ROLE service_role LOGIN",
        "ALTER ROLE anon SET search_path = evil",
        "ALTER SYSTEM SET log_statement = 'none'",
        "GRANT pg_read_server_files TO CURRENT_USER",
        "GRANT provisioner_admin TO CURRENT_USER",
        "DROP ROLE authenticated",
        "CREATE EVENT TRIGGER intruder ON ddl_command_start EXECUTE FUNCTION tenant.current_user_id()",
        "CREATE SUBSCRIPTION intruder CONNECTION 'host=127.0.0.1' PUBLICATION everything",
        "SET session_replication_role = replica",
        "SET log_statement = 'none'",
    ],
)
def test_it_has_no_power_over_the_server(attacker: Tenant, statement: str) -> None:
    assert refusal(attacker, statement) in {PERMISSION_DENIED, "0A000"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT rolpassword FROM pg_authid",
        "SELECT passwd FROM pg_shadow",
        "SELECT subconninfo FROM pg_subscription",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT pg_ls_dir('.')",
        "SELECT * FROM pg_hba_file_rules",
        "SELECT lo_import('/etc/passwd')",
        "COPY tenant.users (email) FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/intruder'",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "CREATE TEMPORARY TABLE lines (line text); COPY lines FROM PROGRAM 'id'",
        "LOAD '/tmp/intruder.so'",
    ],
)
def test_it_reads_and_writes_no_file_and_no_catalog_of_secrets(attacker: Tenant, statement: str) -> None:
    assert refusal(attacker, statement) == PERMISSION_DENIED


@pytest.mark.parametrize("extension", ["dblink", "postgres_fdw", "file_fdw", "adminpack", "plpython3u", "pageinspect"])
def test_no_extension_leads_out_of_its_database(attacker: Tenant, extension: str) -> None:
    with session(attacker) as cursor, pytest.raises(psycopg2.Error) as refused:
        cursor.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(extension)))
    # Denied, or not there at all: never created.
    assert refused.value.pgcode in {PERMISSION_DENIED, "0A000", "58P01"}


def test_a_function_that_runs_as_its_definer_runs_as_the_tenants_owner_at_most(attacker: Tenant) -> None:
    with session(attacker) as cursor:
        cursor.execute(
            "CREATE FUNCTION tenant.escape() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'"
        )
        cursor.execute("SET ROLE anon")
        cursor.execute("SELECT tenant.escape()")
        assert cursor.fetchone() == (attacker.owner,)
        cursor.execute("RESET ROLE")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("ALTER FUNCTION tenant.escape() OWNER TO provisioner_admin")
        cursor.execute("DROP FUNCTION tenant.escape()")


def test_nobody_but_the_owner_can_create_in_public(attacker: Tenant) -> None:
    for role in ("anon", "authenticated", "service_role"):
        with session(attacker) as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("CREATE TABLE public.mine ()")


def test_what_it_puts_on_the_search_path_is_never_what_the_platform_calls(stack: Stack, attacker: Tenant) -> None:
    from provisioning import cluster, control_plane
    from provisioning.job import job_from_record

    with session(attacker) as cursor:
        # A better match for the call than PostgreSQL's own: CVE-2018-1058.
        cursor.execute("CREATE TABLE public.caught (by_role text)")
        cursor.execute(
            "CREATE FUNCTION public.hashtextextended(text, integer) RETURNS bigint LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO public.caught VALUES (session_user); RETURN 1; END $$"
        )
    record = control_plane.connect().fetch_one("find_job", job_id=attacker.job_id)
    assert record is not None
    job = job_from_record({**record, "secret_arn": None})
    with closing(cluster.connect(job.cluster, dbname=attacker.database)) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT hashtextextended('tenant schema', 0)")
        cursor.execute("SELECT count(*) FROM public.caught")
        assert cursor.fetchone() == (0,)
    with session(attacker) as cursor:
        cursor.execute("DROP TABLE public.caught; DROP FUNCTION public.hashtextextended(text, integer)")


def test_of_others_it_sees_their_names_and_nothing_more(pair: Pair) -> None:
    """pg_database, pg_roles and pg_db_role_setting are open to everyone in PostgreSQL, and only a superuser of each
    database could close them; what stands there is names and limits.
    """
    attacker, victim = pair
    with session(victim) as busy:
        busy.execute("SELECT 'a secret of the victim'")
        seen = ask(attacker, "SELECT query FROM pg_stat_activity WHERE usename = %s", victim.login)
        assert {query for (query,) in seen} == {"<insufficient privilege>"}
        ((process,),) = ask(attacker, "SELECT pid FROM pg_stat_activity WHERE usename = %s", victim.login)
        assert refusal(attacker, "SELECT pg_terminate_backend(%s)", process) == PERMISSION_DENIED
        assert refusal(attacker, "SELECT pg_cancel_backend(%s)", process) == PERMISSION_DENIED
    assert ask(attacker, "SELECT DISTINCT rolpassword FROM pg_roles") == [("********",)]
    for setting in ask(attacker, "SELECT unnest(setconfig) FROM pg_db_role_setting"):
        name = str(setting[0]).partition("=")[0]
        assert name in {"statement_timeout", "idle_in_transaction_session_timeout", "role", "search_path"}
    with pytest.raises(psycopg2.OperationalError), session(attacker, dbname=victim.database):
        pass


def test_a_users_rows_are_hidden_from_anonymous_and_from_other_users(attacker: Tenant) -> None:
    alice, bob = str(uuid.uuid4()), str(uuid.uuid4())
    with session(attacker) as cursor:
        cursor.execute("SET ROLE service_role")
        for user in (alice, bob):
            cursor.execute("INSERT INTO tenant.users (user_id, email) VALUES (%s, %s)", (user, f"{user}@example.com"))
        cursor.execute("SET ROLE authenticated")
        cursor.execute("SELECT set_config('request.jwt.claims', %s, false)", (json.dumps({"sub": alice}),))
        cursor.execute("SELECT user_id::text FROM tenant.users")
        assert cursor.fetchall() == [(alice,)]
        cursor.execute("UPDATE tenant.users SET email = 'mine@example.com' WHERE user_id = %s", (bob,))
        assert cursor.rowcount == 0
        cursor.execute("SET ROLE anon")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT 1 FROM tenant.users")


def test_after_all_of_this_the_victim_is_as_it_was(stack: Stack, pair: Pair) -> None:
    from tests.executions.running import payload_for
    from tests.executions.worlds import problems_of_provisioned

    for tenant in pair:
        assert problems_of_provisioned(look(stack, tenant.project_id), payload_for(tenant.project_id)) == []
