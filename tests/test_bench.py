"""make bench measures what it says, and README quotes what it measured."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bench import machine, readme, report, strategies
from bench.__main__ import MEMORY, UNPUBLISHED
from bench.boundaries import BOUNDARIES, PYTHON
from bench.django_tenants_peer import DATABASE, django_tenants
from bench.figures import Figures
from bench.goals import GOALS, Goal, judge, passed
from bench.imports import handlers
from bench.strategies import AT_WORK, IDLE, STRATEGIES
from local.stack import Stack
from local.template import REPOSITORY
from stages.create_database import create_database
from stages.create_schema import create_schema
from tests.stages.jobs import execute, open_job

AT_ONCE = ["1", "2"]


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, Path]]:
    """A directory in memory, one on the disk that the repository lies on, and both gone afterwards."""
    if MEMORY is None or machine.problem(MEMORY, in_memory=True, gigabytes=2):
        pytest.skip("no room in memory here")
    UNPUBLISHED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MEMORY) as memory, tempfile.TemporaryDirectory(dir=UNPUBLISHED) as disk:
        yield {"memory": Path(memory), "disk": Path(disk)}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the results go."""
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def ran(places: dict[str, Path], output: Path) -> subprocess.CompletedProcess[str]:
    """The whole of make bench, with one round of everything."""
    command = [sys.executable, "-m", "bench", "--rounds", "1", "--concurrency", *AT_ONCE, "--growth", "2"]
    command += ["--memory", str(places["memory"]), "--disk", str(places["disk"]), "--output", str(output)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)


@pytest.fixture(scope="module")
def results(ran: subprocess.CompletedProcess[str], output: Path) -> dict[str, Any]:
    """What it has written."""
    assert (output / "results.json").exists(), ran.stderr
    document: dict[str, Any] = json.loads((output / "results.json").read_text())
    return document


def committed() -> dict[str, Any]:
    """The results that README quotes."""
    document: dict[str, Any] = json.loads((readme.RESULTS / "results.json").read_text())
    return document


def test_the_peer_makes_our_tables_with_our_columns_and_as_many_indexes(stack: Stack, project_id: str) -> None:
    job = open_job(project_id)
    job.run(create_database)
    job.run(create_schema)
    try:
        with django_tenants(stack) as peer:
            assert peer.create() > 0
        assert shape(stack, DATABASE, "t\\_%") == shape(stack, job.names.database, "tenant")
    finally:
        execute(stack, "postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)")


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
    assert Figures.of([float(value) for value in range(1, 102)]) == Figures(51.0, 96.0, 101)
    assert Figures.of([7.0]) == Figures(7.0, 7.0, 1)


def test_a_run_writes_its_figures_its_tables_and_its_picture(results: dict[str, Any], output: Path) -> None:
    assert (output / "results.md").read_text() == report.document(results)
    assert (output / "results.png").read_bytes().startswith(b"\x89PNG")


def test_its_exit_status_is_whether_every_goal_that_gates_is_met(
    ran: subprocess.CompletedProcess[str], results: dict[str, Any]
) -> None:
    assert results["goals"] == judge(results)
    assert ran.returncode == (0 if passed(results["goals"]) else 1)


@pytest.mark.parametrize("part", ["memory", "disk"])
def test_both_parts_have_the_same_comparison_with_fsync(results: dict[str, Any], part: str) -> None:
    assert results[part]["postgresql"]["fsync"] == "on"
    assert results[part]["ms"].keys() == results["memory"]["ms"].keys()
    assert all(figures.keys() == {"p50", "p95", "n"} for figures in results[part]["ms"].values())


def test_the_time_of_each_stage_is_the_sum_of_its_boundaries(results: dict[str, Any]) -> None:
    for stage in results["memory"]["stages"].values():
        spent = sum(stage[boundary]["p50"] for boundary in (*BOUNDARIES, PYTHON))
        assert spent == pytest.approx(stage["total"]["p50"], abs=0.01)
        assert stage["PostgreSQL"]["p50"] > 0
        assert stage["own Python"]["p50"] > 0


def test_a_boundary_is_crossed_by_the_stages_that_need_it_alone(results: dict[str, Any]) -> None:
    stages = results["memory"]["stages"]
    http = {name for name, stage in stages.items() if stage["HTTP"]["p50"] > 0}
    assert http == {*(name for name in stages if name.startswith("Register")), "Finalize"}
    assert (
        stages["Verify project"]["Secrets Manager"]["p50"] == 0 < stages["Generate API keys"]["Secrets Manager"]["p50"]
    )


def test_no_job_fails_however_many_run_at_once(results: dict[str, Any]) -> None:
    for part in ("memory", "disk"):
        for mode in ("pool", "template"):
            measured = results[part]["concurrency"][mode]
            assert list(measured) == AT_ONCE
            assert [found["first_failures"] for found in measured.values()] == [[], []]
            assert all(found["per_second"] > 0 for found in measured.values())


def test_growth_is_measured_at_every_size_by_tenants_that_are_there(results: dict[str, Any]) -> None:
    growth = results["disk"]["growth"]
    assert list(growth["at"]) == ["0", "2"]
    assert growth["at"]["0"]["tenants"] == 0
    assert growth["at"]["2"]["tenants"] >= 2
    assert 5 < growth["megabytes_per_tenant"] < 12
    assert growth["ms_per_thousand_tenants"].keys() == growth["at"]["0"].keys() - {"tenants"}


def test_wal_log_writes_what_it_clones_into_the_wal_and_file_copy_does_not(results: dict[str, Any]) -> None:
    alone = [one for one in results["disk"]["strategies"] if one["beside"] == IDLE]
    assert {(one["strategy"], one["wal_megabytes_per_database"] > 2) for one in alone} == {
        ("wal_log", True),
        ("file_copy", False),
    }


def test_a_tenant_is_at_work_beside_either_strategy(results: dict[str, Any]) -> None:
    beside = [one for one in results["disk"]["strategies"] if one["beside"] == AT_WORK]
    assert {(one["strategy"], one["at_once"]) for one in beside} == set(product(STRATEGIES, strategies.AT_ONCE))
    assert all(one["commit_ms"]["n"] > 0 for one in beside)


def test_the_import_of_every_handler_is_measured(results: dict[str, Any]) -> None:
    assert handlers().keys() <= results["imports"].keys()
    assert all(found["peak_mib"]["p50"] > 5 for found in results["imports"].values())


def test_no_database_of_a_run_stays(results: dict[str, Any], places: dict[str, Path]) -> None:
    assert [list(place.iterdir()) for place in places.values()] == [[], []]


@pytest.mark.parametrize(("at_least", "value", "met"), [(False, 2.0, True), (False, 2.1, False), (True, 1.9, False)])
def test_a_goal_is_kept_up_to_its_limit(at_least: bool, value: float, met: bool) -> None:
    assert Goal("a ratio", 2.0, lambda part: None, at_least=at_least).met(value, 2.0) is met


def test_a_missed_goal_in_memory_gates_and_one_on_a_disk_does_not() -> None:
    memory = {"where": "memory", "met": True, "gates": True}
    disk = {"where": "disk", "met": False, "gates": False}
    assert passed([memory, disk])
    assert not passed([memory | {"met": False}, disk])


def test_a_run_without_memory_passes_nothing() -> None:
    assert not passed([{"where": "disk", "met": True, "gates": False}, {"where": "", "met": True, "gates": True}])


def test_readme_quotes_the_committed_results() -> None:
    assert readme.section(committed()) in (REPOSITORY / "README.md").read_text()


def test_the_committed_tables_are_those_of_the_committed_figures() -> None:
    assert (readme.RESULTS / "results.md").read_text() == report.document(committed())


def test_the_committed_run_had_twenty_rounds_every_goal_and_says_what_it_ran_on() -> None:
    results = committed()
    assert results["goals"] == judge(results)
    assert {row["ratio"] for row in results["goals"]} == {goal.name for goal in GOALS}
    assert min(figures["n"] for part in ("memory", "disk") for figures in results[part]["ms"].values()) >= 20
    assert {results[part]["postgresql"]["fsync"] for part in ("memory", "disk")} == {"on"}
    assert all(results["machine"][what] for what in ("processor", "cores", "memory_gib", "kernel", "python"))
    assert len(results["machine"]["load_average_at_start"]) == 3


def test_in_the_committed_run_a_job_waits_less_for_a_clone_by_wal_log_which_is_how_clones_are_made() -> None:
    found = {(one["beside"], one["at_once"], one["strategy"]): one["ms"] for one in committed()["disk"]["strategies"]}
    for beside, at_once in product((IDLE, AT_WORK), strategies.AT_ONCE):
        assert found[beside, at_once, "wal_log"]["p50"] < found[beside, at_once, "file_copy"]["p50"]
    assert "STRATEGY" not in (REPOSITORY / "functions" / "provisioning" / "sql" / "clone_database.sql").read_text()
