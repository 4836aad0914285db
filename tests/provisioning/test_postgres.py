import threading

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning.errors import DatabaseCreationFailed, InsufficientPermissions, ProvisioningError, StatementRejected
from provisioning.postgres import describe, is_transient, translate

TRANSIENT_STATES = [
    *("08000", "08001", "08003", "08004", "08006", "08007", "08P01"),
    *("57P01", "57P02", "57P03", "57P04", "57P05", "57014"),
    *("53000", "53100", "53200", "53300", "53400"),
    *("25006", "25P03", "25P04", "40001", "40P01", "55006", "55P03", "58030"),
]
PERMANENT_STATES = [
    *("42501", "42601", "42P01", "42P04", "42710", "42704"),
    *("22000", "22001", "22012", "22021", "22P02", "23000", "23502", "23503", "23505", "23514"),
    *("0A000", "25P02", "28P01", "3D000", "55000", "40002", "57000", "58P01", "58P02", "P0001", "XX001", "XX002"),
]
SECRET = "s3cr3t-value"


@pytest.fixture
def scratch(superuser: Connection) -> Connection:
    """A session with a table whose rows carry secrets."""
    with superuser.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE people (email text UNIQUE, age int CHECK (age > 0), name varchar(4))")
        cursor.execute("INSERT INTO people (email) VALUES (%s)", (SECRET,))
    return superuser


def failure(connection: Connection, statement: str | sql.Composable, *parameters: object) -> psycopg2.Error:
    """The error that PostgreSQL answers the statement with."""
    with connection.cursor() as cursor, pytest.raises(psycopg2.Error) as failed:
        cursor.execute(statement, parameters or None)
    return failed.value


def with_state(connection: Connection, state: str, message: str = "made by a test") -> psycopg2.Error:
    statement = sql.SQL("DO {}").format(
        sql.Literal(f"BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = '{state}'; END")
    )
    error = failure(connection, statement)
    assert error.pgcode == state
    return error


@pytest.mark.parametrize("state", TRANSIENT_STATES)
def test_an_error_that_passes_is_the_stages_transient_one(superuser: Connection, state: str) -> None:
    error = with_state(superuser, state)
    assert is_transient(error)
    assert type(translate(error, DatabaseCreationFailed)) is DatabaseCreationFailed


@pytest.mark.parametrize("state", PERMANENT_STATES)
def test_an_error_that_stays_is_permanent(superuser: Connection, state: str) -> None:
    error = with_state(superuser, state)
    assert not is_transient(error)
    assert translate(error, DatabaseCreationFailed).permanent


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        ("tuple concurrently updated", True),
        ("tuple concurrently deleted", True),
        ("checkpoint request failed", True),
        ('could not extend file "base/5/16384": Disk quota exceeded', True),
        ('could not write to file "pg_wal/xlogtemp.7": Stale file handle', True),
        ("could not find a tuple", False),
        ("unrecognized node type: 7", False),
        ("no checkpoint request failed", False),
    ],
)
def test_an_internal_error_is_permanent_unless_its_cause_passes(
    superuser: Connection, message: str, passes: bool
) -> None:
    assert is_transient(with_state(superuser, "XX000", message)) is passes


def test_words_in_a_message_make_nothing_transient(superuser: Connection) -> None:
    for words in (
        "tuple concurrently updated",
        "checkpoint request failed",
        "connection timeout, deadlock detected, try again",
    ):
        assert not is_transient(with_state(superuser, "P0001", words))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP DATABASE postgres", DatabaseCreationFailed),
        ("SET statement_timeout = '1ms'; SELECT pg_sleep(5)", DatabaseCreationFailed),
        ("SET ROLE pg_monitor; CREATE ROLE nobody_may", InsufficientPermissions),
        ("SELECT 1 / 0", StatementRejected),
        (f"INSERT INTO people (email) VALUES ('{SECRET}')", StatementRejected),
        ("SELECT * FROM nowhere", StatementRejected),
    ],
)
def test_what_postgresql_itself_raises_has_the_type_that_its_facts_give(
    scratch: Connection, statement: str, expected: type[ProvisioningError]
) -> None:
    assert type(translate(failure(scratch, statement), DatabaseCreationFailed)) is expected


def test_two_grants_at_once_on_one_database_are_transient(server: PostgresServer, superuser: Connection) -> None:
    first, second = server.connect(), server.connect()
    first.autocommit = False
    failed: list[psycopg2.Error] = []

    def grant() -> None:
        failed.append(failure(second, "GRANT CREATE ON DATABASE postgres TO pg_monitor"))

    with first.cursor() as holding, superuser.cursor() as watching:
        holding.execute("GRANT CREATE ON DATABASE postgres TO pg_read_all_data")
        waiting = threading.Thread(target=grant)
        waiting.start()
        watching.execute("SELECT 0")
        while watching.fetchone() != (1,):
            watching.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        first.commit()
        waiting.join()
        watching.execute("REVOKE ALL ON DATABASE postgres FROM pg_read_all_data, pg_monitor")
    first.close()
    second.close()
    assert [error.pgcode for error in failed] == ["XX000"]
    assert is_transient(failed[0])


def test_a_session_that_was_ended_is_transient_now_and_afterwards(
    server: PostgresServer, superuser: Connection
) -> None:
    ended = server.connect()
    with superuser.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (ended.info.backend_pid,))
    assert is_transient(failure(ended, "SELECT 1"))
    with pytest.raises(psycopg2.InterfaceError) as afterwards:
        ended.cursor()
    assert is_transient(afterwards.value)


def test_a_server_that_is_not_there_is_transient(unused_port: int) -> None:
    with pytest.raises(psycopg2.OperationalError) as refused:
        psycopg2.connect(host="127.0.0.1", port=unused_port, user="u", dbname="d", password=SECRET)
    assert is_transient(refused.value)
    assert describe(refused.value) == "the connection to PostgreSQL failed or was lost"


def test_what_a_dying_server_leaves_unexplained_is_transient() -> None:
    # Seen when PostgreSQL was stopped with -m immediate under a connection that was then used again.
    assert is_transient(psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message from the libpq"))


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("INSERT INTO people (email) VALUES (%s)", id="a duplicate, quoted in the detail"),
        pytest.param("INSERT INTO people (email, age) VALUES (%s || 'x', 0)", id="a failing row, quoted in the detail"),
        pytest.param("INSERT INTO people (name) VALUES (%s)", id="a text that is too long"),
        pytest.param("DO $$BEGIN RAISE 'no' USING DETAIL = '%s'; END$$", id="a detail of someone's own"),
        pytest.param("DO $$BEGIN RAISE 'no' USING HINT = '%s'; END$$", id="a hint"),
        pytest.param("SELECT %s::int", id="a value of the wrong type"),
        pytest.param("SELECT %s::uuid", id="a value of the wrong form"),
        pytest.param("SELECT %s::json", id="a document of the wrong form"),
    ],
)
def test_a_description_quotes_no_value(scratch: Connection, statement: str) -> None:
    values = (SECRET,) if "DO" not in statement else ()
    error = failure(scratch, statement.replace("%s", SECRET) if not values else statement, *values)
    assert SECRET not in describe(error)
    assert error.pgcode is not None
    assert error.pgcode in describe(error)


def test_a_description_is_one_line(superuser: Connection) -> None:
    assert describe(with_state(superuser, "P0001", "two\nlines")).isprintable()


def test_a_mistake_in_the_use_of_psycopg2_is_not_called_a_lost_connection(superuser: Connection) -> None:
    mistake = failure(superuser, "")
    assert not is_transient(mistake)
    assert "connection" not in describe(mistake)
