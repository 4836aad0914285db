"""A pgbouncer between applications and tenants: one `*` entry, in session and in transaction mode, no superuser."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from local.template import REPOSITORY
from tests.ecosystem.clients.pooler import LOOKUP_SINCE, PREPARED_SINCE, run_pgbouncer, version
from tests.ecosystem.clients.running import Run, url_of
from tests.stages.jobs import execute

pytestmark = [pytest.mark.ecosystem, pytest.mark.usefixtures("pgbouncer")]

PAGE = (REPOSITORY / "docs" / "clients.md").read_text()
MODES = ("session", "transaction")


@pytest.fixture
def tenants(provision: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """The credentials of two fresh tenants."""
    return [provision(), provision()]


@pytest.fixture(params=MODES)
def pooled(request: pytest.FixtureRequest, stack: Stack, tenants: list[dict[str, Any]]) -> Iterator[list[str]]:
    """The URLs of two tenants behind one pooler, in each of its modes."""
    with run_pgbouncer(stack, request.param, *tenants) as where:
        yield [url_of(one, **where) for one in tenants]


POOLER = {"username": "pgbouncer", "password": "of-the-pooler"}


def opened(url: str, options: str = "") -> Connection:
    connection: Connection = psycopg2.connect(url, options=options)
    connection.autocommit = True
    return connection


def answer(connection: Connection, statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


def test_one_entry_serves_every_tenant_as_its_owner_and_on_its_path(pooled: list[str]) -> None:
    for url in pooled:
        with closing(opened(url)) as connection:
            answer(connection, "CREATE TABLE notes (id bigint)")
            ours = "SELECT tableowner = current_user, schemaname FROM pg_tables WHERE tablename = 'notes'"
            assert answer(connection, ours) == (True, "public")
            assert answer(connection, "SHOW search_path") == ("public, extensions",)


def test_the_next_client_of_a_connection_is_the_owner_again(pooled: list[str]) -> None:
    """In session mode the pooler sends DISCARD ALL between two clients; its pool has one connection."""
    with closing(opened(pooled[0])) as first:
        process = answer(first, "SELECT pg_backend_pid()")
    with closing(opened(pooled[0])) as second:
        assert answer(second, "SELECT pg_backend_pid()") == process
        assert answer(second, "SELECT current_user LIKE '%\\_owner', current_user <> session_user") == (True, True)
        answer(second, "CREATE TABLE afterwards (id bigint)")


def test_a_tenants_password_opens_no_other_tenants_database(stack: Stack, tenants: list[dict[str, Any]]) -> None:
    first, second = tenants
    with run_pgbouncer(stack, "transaction", *tenants) as where:
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            opened(url_of(first, **where, dbname=second["dbname"]))
        with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
            opened(url_of(first, **where, password=second["password"]))


@pytest.fixture
def lookup(stack: Stack) -> Iterator[str]:
    """The query of docs/clients.md by which a pooler's role without any other right looks passwords up."""
    statements = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    execute(stack, "postgres", statements.replace("PASSWORD '…'", f"PASSWORD '{POOLER['password']}'"))
    yield re.findall(r"^auth_query = (.*)$", PAGE, re.MULTILINE)[0]
    execute(stack, "postgres", "DROP OWNED BY pgbouncer; DROP FUNCTION pooler_password; DROP ROLE pgbouncer")


def test_since_119_a_role_without_rights_looks_passwords_up(
    stack: Stack, tenants: list[dict[str, Any]], lookup: str
) -> None:
    settings = {"entry": "auth_dbname=postgres", "auth_user": POOLER["username"], "auth_query": lookup}
    with run_pgbouncer(stack, "transaction", POOLER, **settings) as where:
        first, second = (url_of(one, **where) for one in tenants)
        if version() < LOOKUP_SINCE:
            with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
                opened(first)
            return
        for url, one in ((first, tenants[0]), (second, tenants[1])):
            with closing(opened(url)) as connection:
                assert answer(connection, "SELECT session_user::text") == (one["username"],)
        with pytest.raises(psycopg2.OperationalError, match="no such user"):
            opened(url_of(tenants[0], **where, username="postgres"))


def test_startup_options_are_refused_by_default(stack: Stack, tenants: list[dict[str, Any]]) -> None:
    with (
        run_pgbouncer(stack, "session", *tenants) as where,
        pytest.raises(psycopg2.OperationalError, match="unsupported startup parameter"),
    ):
        opened(url_of(tenants[0], **where), options="-c statement_timeout=5min")


def test_startup_options_are_ignored_where_its_configuration_says_so(
    stack: Stack, tenants: list[dict[str, Any]]
) -> None:
    with (
        run_pgbouncer(stack, "session", *tenants, ignore_startup_parameters="options") as where,
        closing(opened(url_of(tenants[0], **where), options="-c statement_timeout=5min")) as connection,
    ):
        assert answer(connection, "SHOW statement_timeout") == ("1min",)


@pytest.mark.parametrize("mode", MODES)
def test_clients_in_python_work_behind_it(
    stack: Stack, tenants: list[dict[str, Any]], run_python: Run, mode: str
) -> None:
    with run_pgbouncer(stack, mode, *tenants, default_pool_size=5) as where:
        prepared = "prepared" if mode == "session" or version() >= PREPARED_SINCE else "unprepared"
        run_python("behind_a_pooler.py", url_of(tenants[0], **where), prepared, url_of(tenants[0]))


def test_in_transaction_mode_a_setting_stays_for_others_but_a_local_one_does_not(
    stack: Stack, tenants: list[dict[str, Any]]
) -> None:
    with run_pgbouncer(stack, "transaction", *tenants) as where:
        url = url_of(tenants[0], **where)
        with closing(opened(url)) as first, closing(opened(url)) as second:
            answer(first, "BEGIN; SET LOCAL ROLE authenticated; SET LOCAL statement_timeout = '5min'; COMMIT")
            assert answer(second, "SHOW statement_timeout") == ("1min",)
            assert answer(second, "SELECT current_user LIKE '%\\_owner'") == (True,)
            answer(first, "SET statement_timeout = '5min'")
            assert answer(second, "SHOW statement_timeout") == ("5min",)
