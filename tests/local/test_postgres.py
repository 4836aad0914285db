import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from local.errors import HumanError
from local.postgres import LOOPBACK, PostgresServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres"), fsync=False) as running:
        yield running


def ask(server: PostgresServer, question: str | sql.Composed) -> object:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_texts_are_utf_8_in_a_locale_that_every_server_has(server: PostgresServer) -> None:
    found = "SELECT concat(datlocprovider, datlocale) FROM pg_database WHERE datname = 'template1'"
    assert ask(server, found) == "bC.UTF-8"


def test_500_connections_are_allowed_of_which_tenants_cannot_take_53(server: PostgresServer) -> None:
    assert ask(server, "SHOW max_connections") == "500"
    assert ask(server, "SHOW reserved_connections") == "50"
    assert ask(server, "SHOW superuser_reserved_connections") == "3"


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused(server: PostgresServer, password: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host=LOOPBACK, port=server.port, user="postgres", password=password, dbname="postgres")


def test_every_way_in_asks_for_a_password(server: PostgresServer) -> None:
    assert ask(server, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == "scram-sha-256"


def test_it_listens_on_loopback_only(server: PostgresServer) -> None:
    assert ask(server, "SHOW listen_addresses") == LOOPBACK
    assert ask(server, "SHOW unix_socket_directories") == ""


def test_only_its_owner_can_read_the_password(server: PostgresServer) -> None:
    assert stat.S_IMODE((server.directory / "superuser.password").stat().st_mode) == 0o600


def test_the_password_is_in_no_log(server: PostgresServer) -> None:
    assert (server.directory / "superuser.password").read_text() not in (server.directory / "postgres.log").read_text()


def test_a_port_that_is_taken_is_named(server: PostgresServer, tmp_path: Path) -> None:
    other = PostgresServer(tmp_path, port=server.port, fsync=False)
    with pytest.raises(HumanError, match=f"port {server.port} is taken"):
        other.start()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_data_and_password_survive_a_stop(server: PostgresServer, mode: str) -> None:
    table = sql.Identifier(f"kept_{mode}")
    ask(server, sql.SQL("CREATE TABLE {} AS SELECT 7 AS number").format(table))
    server.stop(mode)  # type: ignore[arg-type]
    assert not server.running()
    server.start()
    assert ask(server, sql.SQL("SELECT number FROM {}").format(table)) == 7


def test_a_server_that_was_left_running_is_taken_over(server: PostgresServer) -> None:
    again = PostgresServer(server.directory, port=server.port, fsync=False)
    again.start()
    assert ask(again, "SELECT 1") == 1


def test_an_interrupted_first_start_begins_again(tmp_path: Path) -> None:
    (tmp_path / "data.unfinished").mkdir()
    (tmp_path / "data.unfinished" / "PG_VERSION").write_text("18\n")
    with PostgresServer(tmp_path, fsync=False) as server:
        assert ask(server, "SELECT 1") == 1


def test_a_port_of_its_own_is_chosen_when_none_is_given(server: PostgresServer) -> None:
    with socket.create_connection((LOOPBACK, server.port), timeout=1):
        assert server.port > 0
