"""Extensions: the allowed ones that the server has, in a schema of their own, found without naming it."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.aws import secrets
from provisioning.errors import Misconfigured
from provisioning.tenant import schema
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.stages.jobs import StagedJob, execute, open_job

INSTALLED = "SELECT extname::text, extnamespace::regnamespace::text, pg_get_userbyid(extowner) FROM pg_extension"


@pytest.fixture
def application(database_url: str) -> Iterator[Connection]:
    """A connection as an application opens it: with only the URL, and the login's own settings."""
    with closing(psycopg2.connect(database_url)) as connection:
        yield connection


def test_the_shipped_list_gives_what_the_server_has_and_records_the_rest(stack: Stack, job: StagedJob) -> None:
    (output,) = execute(
        stack,
        "control_plane",
        "SELECT output FROM control_plane.provisioning_steps WHERE job_id = %s AND stage = 'creating_schema'",
        job.job_id,
    )
    found = output[0]["extensions"]
    available = {name for (name,) in execute(stack, "postgres", "SELECT name::text FROM pg_available_extensions")}
    assert "vector" in found["installed"]
    assert sorted(found["installed"] + found["skipped"]) == ["pg_stat_statements", "pgcrypto", "uuid-ossp", "vector"]
    assert set(found["installed"]) <= available
    rows = execute(stack, job.names.database, f"{INSTALLED} WHERE extname <> 'plpgsql'")
    assert rows == [(name, "extensions", job.names.owner_role) for name in found["installed"]]


def test_an_application_finds_their_types_and_functions_without_naming_the_schema(application: Connection) -> None:
    with application, application.cursor() as cursor:
        cursor.execute("CREATE TABLE documents (embedding vector(3))")
        cursor.execute("CREATE INDEX ON documents USING hnsw (embedding vector_l2_ops)")
        cursor.execute("INSERT INTO documents VALUES ('[1,2,3]'), ('[9,9,9]')")
        cursor.execute("SELECT embedding::text FROM documents ORDER BY embedding <-> '[1,2,2]' LIMIT 1")
        assert cursor.fetchone() == ("[1,2,3]",)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_the_shared_roles_find_them_too(application: Connection, role: str) -> None:
    with application, application.cursor() as cursor:
        cursor.execute("SELECT set_config('role', %s, true)", (role,))
        cursor.execute("SELECT '[1,2]'::vector <-> '[1,3]'::vector")
        assert cursor.fetchone() == (1.0,)


def test_the_tenant_adds_a_trusted_one_itself_and_takes_it_away(application: Connection) -> None:
    with application, application.cursor() as cursor:
        cursor.execute("CREATE EXTENSION pg_trgm SCHEMA extensions")
        cursor.execute("SELECT similarity('word', 'word')")
        assert cursor.fetchone() == (1.0,)
        cursor.execute("DROP EXTENSION pg_trgm")


@pytest.fixture
def empty(stack: Stack, new_project: NewProject) -> StagedJob:
    """A tenant database without its schema."""
    opened = open_job(new_project())
    opened.run(create_database)
    return opened


def test_what_the_admin_may_not_make_or_the_server_has_not_is_skipped(
    stack: Stack, empty: StagedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_EXTENSIONS", "pg_stat_statements, citext,from-the-future,citext")
    output = empty.run(create_schema)
    assert output["extensions"] == {"installed": ["citext"], "skipped": ["pg_stat_statements", "from-the-future"]}
    assert ("citext", "extensions", empty.names.owner_role) in execute(stack, empty.names.database, INSTALLED)


def test_what_one_needs_comes_with_it(stack: Stack, empty: StagedJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_EXTENSIONS", "earthdistance")
    assert empty.run(create_schema)["extensions"]["skipped"] == ["earthdistance"], "it is not a trusted one"
    assert execute(stack, empty.names.database, f"{INSTALLED} WHERE extname <> 'plpgsql'") == []


def test_an_untrusted_one_that_the_admin_may_make_stays_the_admins(
    stack: Stack, empty: StagedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_EXTENSIONS", "pg_stat_statements")
    admin = sql.Identifier(ADMIN)
    execute(stack, "postgres", sql.SQL("ALTER ROLE {} SUPERUSER").format(admin))
    try:
        empty.run(create_schema)
    finally:
        execute(stack, "postgres", sql.SQL("ALTER ROLE {} NOSUPERUSER").format(admin))
    assert ("pg_stat_statements", "extensions", ADMIN) in execute(stack, empty.names.database, INSTALLED)
    with (
        closing(schema.connect(secrets.read(empty.names.secret))) as tenant,
        tenant.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("DROP EXTENSION pg_stat_statements")


def test_without_a_list_there_is_none(stack: Stack, empty: StagedJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_EXTENSIONS", "")
    assert empty.run(create_schema)["extensions"] == {"installed": [], "skipped": []}
    assert execute(stack, empty.names.database, f"{INSTALLED} WHERE extname <> 'plpgsql'") == []


def test_a_list_of_something_else_is_a_mistake_in_the_settings(
    empty: StagedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_EXTENSIONS", "vector; DROP SCHEMA tenant")
    with pytest.raises(Misconfigured, match="TENANT_EXTENSIONS"):
        empty.run(create_schema)


def test_a_pooled_tenant_with_another_list_is_out_of_date(monkeypatch: pytest.MonkeyPatch) -> None:
    before = schema.fingerprint()
    monkeypatch.setenv("TENANT_EXTENSIONS", "citext")
    assert schema.fingerprint() != before


def test_the_public_does_not_reach_into_their_schema(stack: Stack, job: StagedJob) -> None:
    granted = execute(
        stack,
        job.names.database,
        "SELECT grantee FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'extensions' AND grantee = 0",
    )
    assert granted == []
