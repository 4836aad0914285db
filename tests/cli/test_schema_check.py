"""`provision schema check` shows what a tenant will have, and what is wrong with a file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli import schema_check
from provisioning.aws import secrets
from provisioning.tenant import schema
from provisioning.tenant.schema_files import SchemaFile
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.stages.jobs import lambda_environment, open_job

pytestmark = pytest.mark.slow

ALONE = "-- provisioner: no transaction\n"
SCHEMA = {
    "0001_notes.sql": """CREATE TABLE notes (id uuid, word vector(2));
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING ((SELECT auth.uid()) = id);
CREATE FUNCTION two() RETURNS integer LANGUAGE sql AS 'SELECT 2'""",
    "0002_index.sql": f"{ALONE}CREATE INDEX CONCURRENTLY IF NOT EXISTS ids ON notes (id)",
}
SHOWN = [
    "0001_notes.sql applied",
    "0002_index.sql applied in no transaction",
    "public.notes: row level security on, policies: own",
    "public.two()",
    "authenticated: delete, insert, select, update on public.notes",
    "tenant._migrations: row level security on, policies: none",
    "vector: ",
]
FAULTS = [
    ("CREATE TABLE notes (\n    id integr\n)", ':2: type "integr" does not exist (SQLSTATE 42704)'),
    ("SELECT 1;\nSELEC 2;", ':2: syntax error at or near "SELEC" (SQLSTATE 42601)'),
    (
        "CREATE TABLE notes ();\n\nDROP TABLE\n    missing.notes;",
        ':4: schema "missing" does not exist (SQLSTATE 3F000)',
    ),
    ("CREATE TABLE notes ();\nINSERT INTO notes SELECT\nWHERE 1 / 0 = 1;", ":3: DivisionByZero (SQLSTATE 22012)"),
    ("CREATE EXTENSION file_fdw;", ':1: permission denied to create extension "file_fdw" (SQLSTATE 42501)'),
    ("BEGIN;\nCREATE TABLE notes ();\nCOMMIT;", ": the file ends the transaction that it runs in (SQLSTATE 2D000)"),
    (f"{ALONE}CREATE INDEX CONCURRENTLY ON tenant._migrations (applied); ", ":2: column"),
    (f"{ALONE}CREATE INDEX CONCURRENTLY twice ON tenant._migrations (name)", ":2: cannot be repeated"),
]


def check(temporary: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a directory for temporary files, of which it must leave nothing."""
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "cli.app", "schema", "check", str(directory)],
        env=os.environ | {"TMPDIR": str(temporary), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [*temporary.iterdir()] == []
    assert (
        str(temporary) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )
    return done


def test_it_shows_what_a_tenant_will_have_and_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "schema"
    directory.mkdir()
    for name, text in SCHEMA.items():
        (directory / name).write_text(text)
    done = check(tmp_path / "temporary", directory)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in SHOWN if line not in done.stdout] == []


def test_a_fault_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "schema"
    directory.mkdir()
    (directory / "0001_faulty.sql").write_text("SELECT 1;\nSELEC 2;")
    done = check(tmp_path / "temporary", directory)
    assert done.returncode == 1
    assert done.stdout == f'{directory}/0001_faulty.sql:2: syntax error at or near "SELEC" (SQLSTATE 42601)\n'


@pytest.fixture(scope="module")
def tenant(new_project: NewProject) -> Iterator[Connection]:
    """A session of a tenant, as scratch_tenant() yields one."""
    with lambda_environment():
        job = open_job(new_project())
        job.run(create_database)
        job.run(create_schema)
        with closing(schema.connect(secrets.read(job.names.secret))) as connection:
            yield connection


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_a_fault_has_the_line_and_the_sqlstate(tenant: Connection, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "0002_faulty.sql"
    path.write_text(text)
    fault = schema_check.apply(tenant, SchemaFile(2, path))
    assert fault is not None
    assert f"{fault.place}: {fault.sentence}".startswith(f"{path}{said}")
    with tenant.cursor() as cursor:
        cursor.execute("DELETE FROM tenant._migrations WHERE version > 1")


def test_files_without_an_order_are_one_line_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "users.sql").touch()
    done = check(tmp_path / "temporary", tmp_path)
    assert done.returncode == 8
    assert done.stderr.startswith("provision: users.sql does not begin with a number")
