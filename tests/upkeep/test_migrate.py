"""Migrations are applied once, in order, and each completely or not at all."""

import logging
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from psycopg2 import IntegrityError, sql

from cli import administration
from local.stack import Stack
from local.template import read_template
from upkeep import migrate
from upkeep.migrate import MigrationFailed, apply_migrations, pending_migrations

SLOW = "CREATE TABLE slow (id integer);\nSELECT pg_sleep(2.5);\n"


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of migrations that replaces the shipped ones."""
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path)
    return tmp_path


@pytest.fixture
def database(stack: Stack) -> Iterator[dict[str, Any]]:
    """An empty database whose owner has no other rights."""
    name, password = f"migrated_{secrets.token_hex(6)}", secrets.token_hex(16)
    identifier = sql.Identifier(name)
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(password)))
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(identifier, identifier))
        cursor.execute(sql.SQL("ALTER DATABASE {} SET search_path = public").format(identifier))
        port = stack.postgres.port
    with closing(stack.postgres.connect(name)) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(identifier))
    yield {"host": "127.0.0.1", "port": port, "dbname": name, "username": name, "password": password}
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
        cursor.execute(sql.SQL("DROP ROLE {}").format(identifier))


def make_again(stack: Stack, database: dict[str, Any], encoding: str) -> None:
    """Make the database again in another encoding."""
    identifier = sql.Identifier(database["dbname"])
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {}").format(identifier))
        statement = "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LOCALE_PROVIDER libc LOCALE 'C'"
        cursor.execute(sql.SQL(statement).format(identifier, identifier, sql.Literal(encoding)))


def test_missing_migrations_are_named_then_applied_then_no_longer_missing(
    database: dict[str, Any], migrations: Path
) -> None:
    (migrations / "0001_one.sql").write_text("CREATE TABLE one (id integer);")
    (migrations / "0002_two.sql").write_text("CREATE TABLE two (id integer);")
    assert pending_migrations(database) == ["0001_one", "0002_two"]
    assert apply_migrations(database) == ["0001_one", "0002_two"]
    assert pending_migrations(database) == []
    assert apply_migrations(database) == []


def test_the_shipped_migrations_make_a_control_plane_that_knows_who_it_is(
    stack: Stack, database: dict[str, Any]
) -> None:
    shipped = sorted(file.stem for file in migrate.MIGRATIONS.glob("*.sql"))
    assert [name.partition("_")[0] for name in shipped] == [f"{number + 1:04}" for number in range(len(shipped))]
    assert apply_migrations(database) == shipped
    found = set()
    for name in (database["dbname"], "control_plane"):
        with closing(stack.postgres.connect(name)) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT control_plane_id FROM control_plane.identity")
            found |= set(cursor.fetchall())
    assert len(found) == 2


def test_a_control_plane_never_gets_a_second_identity(stack: Stack) -> None:
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        for statement in (
            "INSERT INTO control_plane.identity DEFAULT VALUES",
            "INSERT INTO control_plane.identity (only_row) VALUES (false)",
        ):
            with pytest.raises(IntegrityError):
                cursor.execute(statement)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_control_plane_that_is_not_utf8_is_refused_and_left_empty(
    stack: Stack, database: dict[str, Any], encoding: str
) -> None:
    make_again(stack, database, encoding)
    with pytest.raises(MigrationFailed, match=f"encoded as {encoding}: create it with ENCODING 'UTF8'"):
        apply_migrations(database)
    with closing(stack.postgres.connect(database["dbname"])) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relname ~ 'yoyo' OR relnamespace = to_regnamespace('control_plane')"
        )
        assert cursor.fetchone() == (0,)


def test_a_deployment_warns_of_a_server_without_fsync(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert migrate.migrate({}, None) == {"applied": []}
    assert ["runs with fsync off" in message for message in caplog.messages] == [True]


def test_the_command_says_that_the_servers_fsync_is_off(stack: Stack) -> None:
    assert administration.migrate().endswith("runs with fsync off: a crash can lose or corrupt it.")


def test_the_time_of_a_migration_is_that_of_its_function() -> None:
    timeouts = {one.handler: one.timeout_seconds for one in read_template().functions}
    assert timeouts["upkeep.migrate.migrate"] == migrate.LONGEST_SECONDS


def test_a_migration_whose_time_is_over_holds_up_no_other(
    database: dict[str, Any], migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (migrations / "0001_one.sql").write_text("CREATE TABLE one (id integer);")
    monkeypatch.setattr(migrate, "MIGRATION_TIMEOUT_SECONDS", 5)
    monkeypatch.setattr(migrate, "LONGEST_SECONDS", -1, raising=False)
    frozen, over = threading.Event(), threading.Event()

    def freeze(_parameters: object) -> list[str]:
        frozen.set()
        over.wait()
        return []

    with ThreadPoolExecutor(1) as pool:
        with patch.object(migrate, "_apply", freeze):
            pool.submit(apply_migrations, database)
            frozen.wait()
        try:
            assert apply_migrations(database) == ["0001_one"]
        finally:
            over.set()


def test_a_migration_that_takes_its_time_is_applied_once_by_two_at_once(
    database: dict[str, Any], migrations: Path
) -> None:
    (migrations / "0001_slow.sql").write_text(SLOW)
    with ThreadPoolExecutor(2) as pool:
        applied = list(pool.map(apply_migrations, [database, database]))
    assert sorted(applied) == [[], ["0001_slow"]]


def test_a_failed_migration_is_named_and_leaves_nothing(
    stack: Stack, database: dict[str, Any], migrations: Path
) -> None:
    (migrations / "0001_one.sql").write_text("CREATE TABLE one (id integer);")
    (migrations / "0002_half.sql").write_text("CREATE TABLE half (id integer);\nSELECT 1 / 0;")
    (migrations / "0003_later.sql").write_text("CREATE TABLE later (id integer);")
    with pytest.raises(MigrationFailed, match=r"^0002_half: DivisionByZero \(SQLSTATE 22012\)$"):
        apply_migrations(database)
    with closing(stack.postgres.connect(database["dbname"])) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT to_regclass('one') IS NULL, to_regclass('half') IS NULL, to_regclass('later') IS NULL")
        assert cursor.fetchone() == (False, True, True)
    assert pending_migrations(database) == ["0002_half", "0003_later"]


def test_a_migration_does_not_wait_long_for_a_table_that_is_in_use(
    stack: Stack, database: dict[str, Any], migrations: Path
) -> None:
    (migrations / "0001_one.sql").write_text("CREATE TABLE one (id integer);")
    apply_migrations(database)
    (migrations / "0002_change.sql").write_text(
        "SET LOCAL lock_timeout = '50ms';\nALTER TABLE one ADD COLUMN name text;"
    )
    with closing(stack.postgres.connect(database["dbname"])) as user, user.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM one")
        with pytest.raises(MigrationFailed, match=r"^0002_change: .*SQLSTATE 55P03"):
            apply_migrations(database)
        cursor.execute("COMMIT")
    assert apply_migrations(database) == ["0002_change"]
