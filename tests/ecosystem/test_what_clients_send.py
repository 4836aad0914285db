"""What clients send around an application's statements, and what it does to a tenant's session: docs/clients.md."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.stages.jobs import StagedJob

STATE = "SELECT current_user, current_setting('search_path'), current_setting('statement_timeout')"
RESETS = (
    ["DISCARD ALL"],
    ["RESET ALL"],
    ["RESET ROLE"],
    ["SET ROLE NONE", "RESET ROLE"],
    ["SET ROLE authenticated", "DISCARD ALL"],
    ["SET search_path = nowhere", "SET statement_timeout = 0", "DISCARD ALL"],
    ["SET SESSION AUTHORIZATION DEFAULT"],
)
"""What pools and poolers send before a connection's next client."""


def opened(database_url: str, options: str = "") -> Connection:
    """A connection as an application opens it: with only the URL, and perhaps startup options."""
    connection: Connection = psycopg2.connect(database_url, options=options)
    connection.autocommit = True
    return connection


@pytest.fixture
def application(database_url: str) -> Iterator[Connection]:
    with closing(opened(database_url)) as connection:
        yield connection


def state(connection: Connection) -> tuple[str, str, str]:
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        user, path, timeout = cursor.fetchone() or ("", "", "")
        return user, path, timeout


def send(connection: Connection, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_pools_reset_leaves_the_owner_its_path_and_its_limit(job: StagedJob, database_url: str) -> None:
    for statements in RESETS:
        with closing(opened(database_url)) as pooled:
            send(pooled, *statements)
            assert state(pooled) == (job.names.owner_role, "public, extensions", "1min"), statements
            send(pooled, "CREATE TABLE afterwards (id bigint)", "DROP TABLE afterwards")


def test_set_role_none_leaves_a_role_that_may_do_nothing(application: Connection) -> None:
    send(application, "CREATE TABLE notes (id bigint)", "SET ROLE NONE")
    for statement in ("CREATE TABLE public.others (id bigint)", "SELECT FROM public.notes"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            send(application, statement)


def test_a_path_of_the_clients_own_has_to_name_the_extensions(database_url: str, application: Connection) -> None:
    send(application, "CREATE SCHEMA app")
    for path in ("app", "public", "app,public"):
        with closing(opened(database_url, f"-c search_path={path}")) as client:
            with pytest.raises(psycopg2.errors.UndefinedObject):
                send(client, "SELECT '[1]'::vector")
            send(client, "SELECT '[1]'::extensions.vector")
    with closing(opened(database_url, "-c search_path=app,extensions")) as client:
        send(client, "CREATE TABLE documents (embedding vector(3))", "SELECT FROM app.documents")


@pytest.mark.parametrize("option", ["-c statement_timeout=0", "-c statement_timeout=10min"])
def test_a_long_migration_lifts_the_limit_at_the_start_of_its_session(database_url: str, option: str) -> None:
    with closing(opened(database_url, option)) as migration:
        assert state(migration)[2] == option.partition("=")[2]


def test_a_long_migration_lifts_the_limit_in_its_transaction_alone(application: Connection) -> None:
    send(application, "BEGIN", "SET LOCAL statement_timeout = 0")
    assert state(application)[2] == "0"
    send(application, "COMMIT")
    assert state(application)[2] == "1min"


def test_a_migration_may_ask_for_an_extension_that_exists_if_it_says_so(application: Connection) -> None:
    send(application, "CREATE EXTENSION IF NOT EXISTS vector")
    with pytest.raises(psycopg2.errors.DuplicateObject):
        send(application, "CREATE EXTENSION vector")


def test_a_uuid_needs_no_extension(application: Connection) -> None:
    send(application, "CREATE TABLE notes (id uuid PRIMARY KEY DEFAULT gen_random_uuid())")


def test_a_fresh_tenants_public_schema_is_empty_in_the_information_schema(application: Connection) -> None:
    with application.cursor() as cursor:
        for view, column in (("tables", "table_schema"), ("routines", "routine_schema"), ("columns", "table_schema")):
            cursor.execute(f"SELECT count(*) FROM information_schema.{view} WHERE {column} = 'public'")
            assert cursor.fetchone() == (0,), view


def test_an_applications_users_are_its_own(application: Connection) -> None:
    send(application, "CREATE TABLE IF NOT EXISTS users (id bigint PRIMARY KEY, name text)", "SELECT name FROM users")
    with application.cursor() as cursor:
        cursor.execute("SELECT 'users'::regclass = 'public.users'::regclass")
        assert cursor.fetchone() == (True,)


def test_who_drops_the_public_schema_grants_what_was_granted_on_it(application: Connection) -> None:
    """As `prisma migrate reset` and others do: nothing is left of the schema's privileges and default privileges."""
    granted = "SELECT has_schema_privilege('authenticated', 'public', 'USAGE')"
    send(application, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE TABLE notes (id bigint)")
    with application.cursor() as cursor:
        cursor.execute(granted)
        assert cursor.fetchone() == (False,)
        cursor.execute("GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role")
        cursor.execute(granted)
        assert cursor.fetchone() == (True,)
