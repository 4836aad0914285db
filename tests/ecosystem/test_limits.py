"""The limits of a tenant's login end what exceeds them: set here as shipped, with smaller numbers."""

import select
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.tenant import making
from stages.database import create_database
from tests.conftest import NewProject
from tests.stages.jobs import StagedJob, execute, open_job

SETTINGS = """
    SELECT unnest(setconfig) FROM pg_db_role_setting
    WHERE setdatabase = 0 AND setrole = to_regrole(%s) ORDER BY 1
"""
LIMITS = """
    SELECT rolconnlimit, datconnlimit FROM pg_roles JOIN pg_database ON datname = %s WHERE rolname = %s
"""


def login(job: StagedJob) -> Connection:
    """Connect as an application does, with no option of its own."""
    document = secrets.read(job.names.secret)
    names = {"host": "host", "port": "port", "dbname": "dbname", "user": "username", "password": "password"}
    options: dict[str, Any] = {option: document[name] for option, name in names.items()}
    connection: Connection = psycopg2.connect(**options)
    return connection


@pytest.fixture
def limited(stack: Stack, new_project: NewProject, monkeypatch: pytest.MonkeyPatch) -> StagedJob:
    """A tenant made with small limits."""
    monkeypatch.setattr(making, "STATEMENT_TIMEOUT", "100ms")
    monkeypatch.setattr(making, "IDLE_IN_TRANSACTION_TIMEOUT", "100ms")
    monkeypatch.setattr(making, "CONNECTION_LIMIT", 2)
    job = open_job(new_project())
    job.run(create_database)
    return job


@pytest.fixture
def session(limited: StagedJob) -> Iterator[Connection]:
    with closing(login(limited)) as connection:
        yield connection


def test_the_shipped_limits_are_60_seconds_and_60_connections(stack: Stack, job: StagedJob) -> None:
    assert execute(stack, "postgres", SETTINGS, job.names.login_role) == [
        ("idle_in_transaction_session_timeout=60s",),
        ("statement_timeout=60s",),
    ]
    assert execute(stack, "postgres", LIMITS, job.names.database, job.names.login_role) == [(60, 60)]


def test_a_statement_that_takes_too_long_is_cancelled(session: Connection) -> None:
    with session.cursor() as cursor, pytest.raises(psycopg2.errors.QueryCanceled, match="statement timeout"):
        cursor.execute("SELECT count(*) FROM generate_series(1, 1000000000000)")


def test_a_session_that_idles_in_a_transaction_is_ended(stack: Stack, session: Connection) -> None:
    process = session.info.backend_pid
    with session.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert select.select([session], [], [], 30)[0], "the server has nothing to say"
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
    assert session.closed
    log = (stack.state_directory / "postgres" / "postgres.log").read_text(errors="replace")
    assert f"[{process}] FATAL:  terminating connection due to idle-in-transaction timeout" in log


def test_one_connection_too_many_is_refused(limited: StagedJob) -> None:
    with ExitStack() as sessions:
        for _ in range(2):
            sessions.enter_context(closing(login(limited)))
        with pytest.raises(psycopg2.OperationalError, match="too many connections"):
            login(limited)


def test_the_limits_hold_for_every_way_into_the_database(limited: StagedJob, session: Connection) -> None:
    with session.cursor() as cursor:
        for role in (limited.names.owner_role, "authenticated"):
            cursor.execute("SELECT set_config('role', %s, false)", (role,))
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("100ms",)
