"""Migrations are applied once, in order, and each completely or not at all."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import IntegrityError, sql

from local.stack import Stack
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
