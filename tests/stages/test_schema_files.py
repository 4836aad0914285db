"""The files of tenant_schema/: plain SQL, a transaction each, and those that run in none."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.aws import secrets
from provisioning.errors import Misconfigured, StatementRejected
from provisioning.tenant import schema, schema_files
from stages.database import create_database
from stages.schema import create_schema
from tests.stages.jobs import StagedJob

ALONE = f"{schema_files.MARKER}\n"
AS_TOOLS_WRITE = """\ufeff-- {not_a_placeholder} %s 100%\r
CREATE TABLE braces (document jsonb DEFAULT '{"a": {}}', share text CHECK (share LIKE '%\\%'))\r
--> statement-breakpoint"""
AS_PG_DUMP_WRITES = """
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;
CREATE TABLE public.dumped (number integer);
SET ROLE anon;
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into a directory of which new tenants get every file."""
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def tenant(job: StagedJob, write: Write) -> Iterator[Connection]:
    """A session with the credentials of a tenant that has no file yet."""
    job.run(create_database)
    job.run(create_schema)
    with closing(schema.connect(secrets.read(job.names.secret))) as connection:
        yield connection


def rows(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def recorded(connection: Connection) -> list[tuple[object, ...]]:
    return rows(connection, "SELECT version, name FROM tenant._migrations ORDER BY version")


def indexes(connection: Connection) -> list[tuple[object, ...]]:
    """The indexes of notes, and whether each is valid."""
    return rows(
        connection,
        "SELECT relname::text, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE indrelid = 'public.notes'::regclass",
    )


def test_without_any_file_a_tenant_has_what_the_platform_needs(tenant: Connection) -> None:
    assert schema.current_version(tenant) == schema.newest_version() == 0
    assert rows(tenant, "SELECT auth.uid(), to_regclass('tenant.users')") == [(None, None)]


def test_a_file_is_taken_as_any_tool_writes_it(tenant: Connection, write: Write) -> None:
    write("0001_braces.sql", AS_TOOLS_WRITE)
    assert schema.upgrade(tenant) == 1
    assert rows(tenant, "INSERT INTO public.braces (share) VALUES ('50%') RETURNING document") == [({"a": {}},)]


def test_what_a_file_sets_for_its_session_does_not_reach_the_next_file(tenant: Connection, write: Write) -> None:
    settings = "SELECT name, setting FROM pg_settings WHERE name !~ '[.]' ORDER BY name"
    before = rows(tenant, settings)
    write("0001_dump.sql", AS_PG_DUMP_WRITES)
    write("0002_notes.sql", "CREATE TABLE notes AS SELECT current_user::text AS who")
    schema.upgrade(tenant)
    assert rows(tenant, "SELECT who = tableowner FROM public.notes, pg_tables WHERE tablename = 'notes'") == [(True,)]
    assert rows(tenant, settings) == before


def test_a_failure_leaves_the_files_before_it_and_names_its_own(tenant: Connection, write: Write) -> None:
    write("0001_notes.sql", "CREATE TABLE notes ()")
    broken = write("0002_broken.sql", "CREATE TABLE extra ();\nSELECT 1 / 0;")
    with pytest.raises(psycopg2.errors.DivisionByZero) as raised:
        schema.upgrade(tenant)
    assert postgres.describe(raised.value).endswith("(SQLSTATE 22012) in 0002_broken.sql")
    assert recorded(tenant) == [(1, "0001_notes")]
    assert rows(tenant, "SELECT to_regclass('public.extra')") == [(None,)]
    broken.write_text("CREATE TABLE extra ();")
    assert schema.upgrade(tenant) == 2


def test_a_job_says_which_file_is_wrong(job: StagedJob, write: Write) -> None:
    write("0001_broken.sql", "CREATE TABLE notes (id integr)")
    job.run(create_database)
    with pytest.raises(StatementRejected, match=r'"integr" does not exist \(SQLSTATE 42704\) in 0001_broken.sql'):
        job.run(create_schema)


def test_a_file_that_ends_its_transaction_is_refused_and_not_recorded(tenant: Connection, write: Write) -> None:
    write("0001_own.sql", "BEGIN; CREATE TABLE notes (); COMMIT;")
    with pytest.raises(psycopg2.errors.InvalidTransactionTermination):
        schema.upgrade(tenant)
    assert recorded(tenant) == []


def test_a_file_may_use_the_types_of_an_extension(
    job: StagedJob, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_EXTENSIONS", "citext")
    write("0001_notes.sql", "CREATE TABLE notes (word citext)")
    job.run(create_database)
    assert job.run(create_schema)["version"] == 1


def test_a_marked_file_makes_an_index_concurrently(tenant: Connection, write: Write) -> None:
    write("0001_notes.sql", "CREATE TABLE notes (word text)")
    write("0002_words.sql", f"{ALONE}CREATE INDEX CONCURRENTLY IF NOT EXISTS words ON notes (word);\n")
    write("0003_more.sql", "CREATE TABLE more ()")
    assert schema.upgrade(tenant) == 3
    assert indexes(tenant) == [("words", True)]
    assert recorded(tenant)[1] == (2, "0002_words")


@pytest.mark.parametrize("text", ["{0}", f"{ALONE}{{0}} SELECT 1;"], ids=["not marked", "with a second statement"])
def test_what_runs_in_no_transaction_stands_alone_in_a_marked_file(tenant: Connection, write: Write, text: str) -> None:
    write("0001_notes.sql", "CREATE TABLE notes (word text)")
    write("0002_words.sql", text.format("CREATE INDEX CONCURRENTLY words ON notes (word);"))
    with pytest.raises(psycopg2.errors.ActiveSqlTransaction):
        schema.upgrade(tenant)
    assert (indexes(tenant), recorded(tenant)) == ([], [(1, "0001_notes")])


def test_an_index_that_could_not_be_made_is_dropped_and_made_later(tenant: Connection, write: Write) -> None:
    write("0001_notes.sql", "CREATE TABLE notes AS SELECT 'twice' AS word FROM generate_series(1, 2)")
    write("0002_words.sql", f"{ALONE}CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS words ON notes (word)")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        schema.upgrade(tenant)
    assert indexes(tenant) == []
    rows(tenant, "DELETE FROM public.notes RETURNING 1")
    assert schema.upgrade(tenant) == 2
    assert indexes(tenant) == [("words", True)]


def test_an_index_that_an_attempt_left_unfinished_is_made_again(tenant: Connection, write: Write) -> None:
    """IF NOT EXISTS would take it for the index."""
    write("0001_notes.sql", "CREATE TABLE notes AS SELECT 'twice' AS word FROM generate_series(1, 2)")
    schema.upgrade(tenant)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        rows(tenant, "CREATE UNIQUE INDEX CONCURRENTLY words ON public.notes (word)")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        rows(tenant, "CREATE UNIQUE INDEX CONCURRENTLY of_the_user ON public.notes (word)")
    write("0002_words.sql", f"{ALONE}CREATE INDEX CONCURRENTLY IF NOT EXISTS words ON notes (word)")
    assert schema.upgrade(tenant) == 2
    assert sorted(indexes(tenant)) == [("of_the_user", False), ("words", True)]


def test_a_marked_file_waits_for_no_other_upgrade(job: StagedJob, tenant: Connection, write: Write) -> None:
    write("0001_alone.sql", f"{ALONE}VACUUM")
    with closing(schema.connect(secrets.read(job.names.secret))) as other:
        rows(other, "SELECT pg_advisory_lock(hashtextextended('tenant schema', 0))")
        with pytest.raises(postgres.Busy):
            schema.upgrade(tenant)
        # The end of a session releases its locks only some time after close() has returned.
        rows(other, "SELECT pg_advisory_unlock_all()")
    assert schema.upgrade(tenant) == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["0001_a.sql", "001_b.sql"], "001_b.sql has the number of 0001_a.sql"),
        (["users.sql"], "users.sql does not begin with a number"),
        (["0000_a.sql"], "0000_a.sql does not begin with a number from 1"),
        (["20261128120000_a.sql"], "does not begin with a number from 1 to 2147483647"),
    ],
)
def test_a_directory_whose_files_have_no_order_is_refused(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(Misconfigured, match=said):
        schema_files.load(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes("-- é".encode("latin-1"))
    with pytest.raises(Misconfigured, match=r"0001_a\.sql is not text in UTF-8"):
        schema_files.load(tmp_path)[0].text  # noqa: B018
