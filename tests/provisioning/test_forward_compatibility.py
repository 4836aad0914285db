"""Old code works on the new schema: a migration removes nothing that the code before it may use.

Migrations run before the new code is deployed, and executions in flight end with the old code. Each shipped migration
is applied to a real database on top of its predecessors, and everything that existed before must be unchanged. A
migration that removes something ships one deployment after the code that no longer uses it, and is listed here.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from upkeep.migrate import MIGRATIONS

# Name of the migration, and the revision since which no code uses what it removes.
TAKES_AWAY: dict[str, str] = {}
SHIPPED = sorted(MIGRATIONS.glob("*.sql"))

COLUMNS = """
    SELECT table_schema || '.' || table_name, column_name, data_type, is_nullable = 'YES',
           column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS'
    FROM information_schema.columns WHERE table_schema = 'control_plane'
"""
RULES = """
    SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = to_regnamespace('control_plane') AND contype <> 'n'
        -- Those of events write a row of their own, and refuse none.
        AND NOT EXISTS (
            SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
            WHERE tgconstraint = pg_constraint.oid AND proname LIKE 'record_event_of_%'
        )
    UNION ALL SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indisunique AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('control_plane'))
"""

Columns = dict[tuple[str, str], tuple[str, bool, bool]]
Rules = set[tuple[str, str]]


def look(connection: Connection) -> tuple[Columns, Rules]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        columns: Columns = {(row[0], row[1]): (row[2], row[3], row[4]) for row in cursor.fetchall()}
        cursor.execute(RULES)
        return columns, set(cursor.fetchall())


def problems_of(connection: Connection, statements: str) -> list[str]:
    """Apply a migration and return what could break the code before it."""
    columns, rules = look(connection)
    with connection.cursor() as cursor:
        cursor.execute(statements)
    columns_after, rules_after = look(connection)
    problems = [f"{table}.{name} is gone" for table, name in columns.keys() - columns_after.keys()]
    for key in columns.keys() & columns_after.keys():
        (kind, nullable, default), (kind_after, nullable_after, default_after) = columns[key], columns_after[key]
        if kind != kind_after or (nullable and not nullable_after) or (default and not default_after):
            problems.append(f"{'.'.join(key)} has become narrower")
    tables = {table for table, _ in columns}
    for table, name in columns_after.keys() - columns.keys():
        _, nullable, default = columns_after[table, name]
        if table in tables and not nullable and not default:
            problems.append(f"{table}.{name} has to be given")
    for table, rule in rules_after - rules:
        if table in tables:
            problems.append(f"{table} has a new rule: {rule}")
    return problems


@pytest.fixture
def empty(stack: Stack) -> Any:
    """A connection to an empty database."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("CREATE DATABASE forward_compatibility")
        with closing(stack.postgres.connect("forward_compatibility")) as connection:
            yield connection
        cursor.execute("DROP DATABASE forward_compatibility WITH (FORCE)")


def apply(connection: Connection, files: Sequence[Path]) -> None:
    with connection.cursor() as cursor:
        for file in files:
            cursor.execute(file.read_text())


def test_no_shipped_migration_takes_anything_away(empty: Connection) -> None:
    for migration in SHIPPED:
        problems = problems_of(empty, migration.read_text())
        assert migration.stem in TAKES_AWAY or problems == [], migration.name


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE control_plane.jobs DROP COLUMN max_attempts",
        "DROP TABLE control_plane.audit_log",
        "ALTER TABLE control_plane.jobs RENAME COLUMN status TO state",
        "ALTER TABLE control_plane.jobs ALTER COLUMN attempts TYPE bigint",
        "ALTER TABLE control_plane.jobs ALTER COLUMN payload SET NOT NULL",
        "ALTER TABLE control_plane.jobs ALTER COLUMN attempts DROP DEFAULT",
        "ALTER TABLE control_plane.jobs ADD COLUMN priority integer NOT NULL",
        "ALTER TABLE control_plane.jobs ADD CHECK (attempts < 3)",
        "ALTER TABLE control_plane.jobs DROP CONSTRAINT jobs_status_check, ADD CHECK (status <> 'failed')",
        "CREATE UNIQUE INDEX ON control_plane.api_keys (prefix)",
    ],
)
def test_the_check_sees_what_old_code_would_stumble_over(empty: Connection, statement: str) -> None:
    apply(empty, SHIPPED)
    assert problems_of(empty, statement) != []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE control_plane.jobs ADD COLUMN note text",
        "ALTER TABLE control_plane.jobs ADD COLUMN priority integer NOT NULL DEFAULT 0",
        "ALTER TABLE control_plane.projects ALTER COLUMN owner_id DROP NOT NULL",
        "CREATE TABLE control_plane.quotas (organization_id text PRIMARY KEY, projects integer NOT NULL)",
        "CREATE INDEX ON control_plane.jobs (completed_at)",
    ],
)
def test_the_check_lets_pass_what_only_adds(empty: Connection, statement: str) -> None:
    apply(empty, SHIPPED)
    assert problems_of(empty, statement) == []
