"""Old code reads the new schema: a column that a migration adds to any table changes no answer to any query.

Every query of the .sql files that reads is sent to a database with rows, before and after each table gets one more
column, nullable and with a value. A different answer would break every job that runs during a deployment.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.cluster.register import Holder
from provisioning.identity import TenantNames
from provisioning.queries import Query
from tests import shipped
from upkeep.migrate import MIGRATIONS

ROWS = Path(__file__).with_name("control_plane_rows.sql")
CONTROL = ("BEGIN;", "COMMIT;", "ROLLBACK;")
SENT = [
    query
    for file, found in shipped.sql_files().items()
    for query in found.values()
    if "control_plane." in query.text and "Placeholders are %(name)s" in file.read_text()
]
CASES = [
    ("running", "aaaaaaaaaaaaaaaaaaaa", "creating_database"),
    ("running", "aaaaaaaaaaaaaaaaaaaa", "creating_schema"),
    ("succeeded", "bbbbbbbbbbbbbbbbbbbb", "creating_schema"),
    ("failed", "cccccccccccccccccccc", "creating_schema"),
    ("refused", "gggggggggggggggggggg", "initializing"),
    (None, "eeeeeeeeeeeeeeeeeeee", "creating_schema"),
]
"""A job, its tenant and a stage as parameters of a query; the refill has no job."""

PROJECTS = {"running": "p-running", "refused": "p-running", "succeeded": "p-active", "failed": "p-failed", None: None}
VALUES: dict[str, object] = {
    **dict.fromkeys(("found", "adds", "looks_again", "is_kept", "is_prepared", "is_protected"), True),
    **dict.fromkeys(("removes_tenant", "allow_connections"), True),
    **dict.fromkeys(
        (
            *("attempt", "capacity", "last_look", "look_after", "limit", "port", "progress_percent", "schema_version"),
            *("after", "minutes", "bytes", "versions", "connection_limit", "days", "execution_started_at"),
            *("projects", "jobs_an_hour", "storage_gb"),
        ),
        1,
    ),
    **dict.fromkeys(("error_details", "manifest", "output", "payload", "prepared"), "{}"),
    **dict.fromkeys(("leftovers", "steps", "grants"), "[]"),
    **{name: [name] for name in ("removed", "unknown", "stages", "undone", "undoable", "keys", "logins")},
    "ids": [1],
    "job_type": "provision_project",
    "cluster_id": "c-1",
    "organization_id": "org",
    "region": "us-east-1",
    "engine": "postgresql",
    "version": "18",
    "size": "db.t3.micro",
    "registered_at": "2025-01-01T00:00:00Z",
    "new_tenant_id": "g" * 20,
}
OWN_VALUES: dict[str, dict[str, object]] = {
    "record_api_keys": {"keys": "[]"},
    "find_pool": {"size": 3},
    "record_examination": {"connections": "{}", "findings": "[]"},
    "find_next": {"fingerprint": "old"},
    "find_claim": {"project_id": "p-revealed"},
    "record_project": {"project_id": "p-new"},
    "find_request": {"principal": "123456789012/AROA", "route": "POST /v1/jobs", "key": "running"},
    "find_pending": {"job_id": "requested"},
    "find_projects": {"status": None, "after": None, "after_name": None, "most": 9},
    "find_jobs": dict.fromkeys(("job_type", "status", "outcome", "after", "after_name")) | {"most": 9},
    "find_listed_jobs": dict.fromkeys(("job_type", "status", "standing_at", "search", "after", "after_name"))
    | {"is_waiting": False, "most": 9},
    "find_listed_projects": dict.fromkeys(("status", "search", "after", "after_name")) | {"most": 9},
    "find_ready": {"lag": 120},
    "find_due_repairs": {"services": ["auth"], "look_seconds": 1},
    "find_undeclared_registrations": {"services": ["pooler"], "stages": ["creating_schema"]},
}
SETTINGS = """
    SELECT set_config('provisioner.held', 'true', true), set_config('provisioner.attempt', '1', true),
           set_config('provisioner.recorded', 'true', true), set_config('provisioner.result', '{"a": 1}', true)
"""
TABLES = """
    SELECT format('ALTER TABLE %I.%I ADD COLUMN a_later_one text DEFAULT ''later''', table_schema, table_name)
    FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'
"""

Answers = dict[str, list[Any]]


class Parameters(dict[str, object]):
    """Parameters that are not given get some text, or the ids of everything."""

    def __missing__(self, name: str) -> object:
        return [str(each) for case in CASES for each in case] if name.endswith("_ids") else name


def shape(value: Any) -> Any:
    """What a reader depends on: the names in objects and the forms of values; values may change with time."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    if isinstance(value, list):
        return [shape(below) for below in value]
    if isinstance(value, str) and value.startswith("{"):
        return shape(json.loads(value))
    return type(value).__name__


def parameters(query: Query, case: tuple[str | None, str, str]) -> Parameters:
    job_id, tenant_id, stage = case
    asked = {"job_id": job_id, "tenant_id": tenant_id, "stage": stage, "project_id": PROJECTS[job_id]}
    asked |= {"excludes": f"project:{PROJECTS[job_id]}", "status_while_running": "provisioning"}
    return Parameters(VALUES | asked | OWN_VALUES.get(query.name, {}))


def answer(connection: Connection, query: Query, case: tuple[str | None, str, str]) -> Any:
    """The columns and rows of a query's answer, None if it has none; the query is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            cursor.execute(SETTINGS)
            cursor.execute(query.text, parameters(query, case))
            if cursor.description is None:
                return None
            columns = [column.name for column in cursor.description]
            return [shape(dict(zip(columns, row, strict=True))) for row in cursor.fetchall()]
        except psycopg2.IntegrityError:
            return None
        finally:
            cursor.execute("ROLLBACK")


def answers(connection: Connection, queries: list[Query]) -> Answers:
    asked = [query for query in queries if query.text.strip() not in CONTROL]
    return {query.text: [answer(connection, query, case) for case in CASES] for query in asked}


def widen(connection: Connection, schema: str) -> None:
    """Add a column to every table of a schema, as a later migration may."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES.replace("%I", "%%I"), (schema,))
        cursor.execute(";".join(statement for (statement,) in cursor.fetchall()))


@pytest.fixture
def database(server: PostgresServer, superuser: Connection) -> Iterator[Connection]:
    """A connection to an empty database."""
    with superuser.cursor() as cursor:
        cursor.execute("CREATE DATABASE new_columns")
        with closing(server.connect("new_columns")) as connection:
            yield connection
        cursor.execute("DROP DATABASE new_columns WITH (FORCE)")


@pytest.fixture
def control_plane(database: Connection) -> Connection:
    """A control plane with rows of every kind."""
    with database.cursor() as cursor:
        for file in (*sorted(MIGRATIONS.glob("*.sql")), ROWS):
            cursor.execute(file.read_text())
    return database


def test_every_query_answers_as_before_when_every_table_has_a_new_column(control_plane: Connection) -> None:
    before = answers(control_plane, SENT)
    widen(control_plane, "control_plane")
    assert answers(control_plane, SENT) == before


def test_the_rows_have_something_for_every_query_that_reads_and_for_every_document(control_plane: Connection) -> None:
    reading = {text: [one for one in found if one is not None] for text, found in answers(control_plane, SENT).items()}
    found = {text: [row for rows in cases for row in rows] for text, cases in reading.items() if cases}
    assert len(found) > 25
    assert [text for text, rows in found.items() if not rows] == []
    empty = {
        (text, column)
        for text, rows in found.items()
        for column in rows[0]
        if all(row[column] in ("NoneType", [], {}) for row in rows)
    }
    assert empty == set()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM control_plane.clusters",
        "SELECT row_to_json(clusters) AS cluster FROM control_plane.clusters",
        "SELECT to_jsonb(jobs) - 'payload' AS job FROM control_plane.jobs",
        "SELECT json_build_object('all', json_agg(tenants)) AS tenants FROM control_plane.tenants",
        "SELECT steps.* FROM control_plane.provisioning_steps AS steps",
        "UPDATE control_plane.projects SET status = 'created' RETURNING *",
        "SELECT row_to_json(projects)::text AS project FROM control_plane.projects",
    ],
)
def test_the_check_sees_a_query_that_names_no_columns(control_plane: Connection, statement: str) -> None:
    careless = [Query("find_carelessly", statement)]
    before = answers(control_plane, careless)
    widen(control_plane, "control_plane")
    assert answers(control_plane, careless) != before


def test_the_check_sees_a_view_that_names_no_columns(control_plane: Connection) -> None:
    with control_plane.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE VIEW control_plane.tenant_documents AS"
            " SELECT tenant_id, row_to_json(tenants) AS document FROM control_plane.tenants"
        )
    before = answers(control_plane, SENT)
    widen(control_plane, "control_plane")
    assert answers(control_plane, SENT) != before


def test_a_register_with_a_new_column_is_read_as_before(database: Connection) -> None:
    names, holder = TenantNames("abcdefghijklmnopqrst"), Holder("00000000-0000-0000-0000-000000000001", "job-1", "p")
    with database.cursor() as cursor:
        cursor.execute(sql.SQL(sessions.QUERIES["make_register"].text))
        cursor.execute("INSERT INTO register.creators VALUES ('creator', 0)")

    def read() -> Mapping[str, Any]:
        return {
            "claim": register.claim(database, names, holder),
            "state": register.record_state(database, names, holder, "active"),
            "access": register.claim_access(database, names, holder),
            "find": register.find(database, holder.control_plane_id, None, "job-1"),
        }

    register.lock(database, names)
    read()
    before = read()
    widen(database, "register")
    assert read() == before
    assert before["find"] != []
