"""What make bench judges and how it compares; README and docs/benchmarks.md quote what it measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from bench import documents, report
from bench.django_tenants_peer import DATABASE, django_tenants
from bench.figures import figures
from bench.goals import GOALS, Goal, judge, passed
from local.stack import Stack
from stages.database import create_database
from stages.schema import create_schema
from tests.stages.jobs import execute, open_job


def committed() -> dict[str, Any]:
    """The results that the documents quote."""
    document: dict[str, Any] = json.loads((documents.RESULTS / "results.json").read_text())
    return document


def test_the_peer_makes_our_tables_with_our_columns_and_as_many_indexes(stack: Stack, project_id: str) -> None:
    job = open_job(project_id)
    job.run(create_database)
    job.run(create_schema)
    try:
        with django_tenants(stack) as make_tenant:
            assert make_tenant() > 0
        assert shape(stack, DATABASE, "t\\_%") == shape(stack, job.names.database, "tenant")
    finally:
        execute(stack, "postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))


def shape(stack: Stack, database: str, schema: str) -> set[tuple[str, tuple[str, ...], int]]:
    """The tables of one schema's users and audit log: their columns, and how many indexes they have."""
    rows = execute(
        stack,
        database,
        "SELECT relname::text, array_agg(DISTINCT attname::text ORDER BY attname::text), count(DISTINCT indexrelid)"
        " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0"
        " JOIN pg_index ON indrelid = attrelid WHERE relnamespace::regnamespace::text LIKE %s"
        " AND relname IN ('users', 'audit_log') GROUP BY relnamespace, relname",
        schema,
    )
    return {(table, tuple(columns), indexes) for table, columns, indexes in rows}


def test_percentiles_lie_between_the_two_nearest_values() -> None:
    assert figures([float(value) for value in range(1, 102)]) == {"p50": 51.0, "p95": 96.0, "n": 101}
    assert figures([7.0]) == {"p50": 7.0, "p95": 7.0, "n": 1}


@pytest.mark.parametrize(("at_least", "value", "met"), [(False, 2.0, True), (False, 2.1, False), (True, 1.9, False)])
def test_a_goal_is_kept_up_to_its_limit(at_least: bool, value: float, met: bool) -> None:
    assert Goal("a figure", 2.0, lambda part: None, at_least=at_least).met(value) is met


def test_a_missed_goal_in_memory_gates_and_one_on_a_disk_does_not() -> None:
    memory = {"where": "memory", "met": True, "gates": True}
    disk = {"where": "disk", "met": False, "gates": False}
    assert passed([memory, disk])
    assert not passed([memory | {"met": False}, disk])


def test_a_goal_that_was_not_measured_is_not_met() -> None:
    without_memory = judge(committed() | {"memory": None})
    assert {row["measured"] for row in without_memory if row["where"] == "memory"} == {None}
    assert not passed(without_memory)


@pytest.mark.parametrize(
    ("file", "quoted"), [(documents.README, documents.speed), (documents.BENCHMARKS, report.document)]
)
def test_a_document_quotes_the_committed_results(file: Path, quoted: Callable[[dict[str, Any]], str]) -> None:
    _, _, rest = file.read_text().partition(documents.BEGIN)
    assert rest.partition(documents.END)[0] == f"\n{quoted(committed())}\n"


def test_the_documents_say_what_is_not_equal_work() -> None:
    assert " ".join(report.UNEQUAL.split()) in " ".join(report.document(committed()).split())
    assert "This is not equal work" in documents.speed(committed())


def test_the_committed_run_had_twenty_rounds_every_goal_and_says_what_it_ran_on() -> None:
    results = committed()
    judged = judge(results)
    assert [row["figure"] for row in judged] == [goal.name for goal in GOALS]
    assert all(row["measured"] is not None for row in judged)
    assert min(found["n"] for part in ("memory", "disk") for found in results[part]["ms"].values()) >= 20
    assert {results[part]["postgresql"]["fsync"] for part in ("memory", "disk")} == {"on"}
    assert all(results["machine"][what] for what in ("processor", "cores", "memory_gib", "kernel", "python"))
    assert len(results["machine"]["load_average_at_start"]) == 3
