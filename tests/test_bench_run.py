"""make bench measures what it says: the whole of it, with one round of everything."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import documents, machine, processor
from bench.__main__ import MEMORY, UNPUBLISHED
from bench.access import CLIENT_OUT
from bench.boundaries import BOUNDARIES, COUNTS, PYTHON
from bench.comparison import FLOOR
from bench.comparison import handlers as handlers_in_order
from bench.environment import MODES, NOTHING, POOL
from bench.goals import judge, passed
from bench.imports import handlers
from local.template import REPOSITORY

pytestmark = pytest.mark.slow
AT_ONCE = ["1", "2"]
GROWTH = 6
"""More than the jobs that warm the environments make."""


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
    command = [sys.executable, "-m", "bench", "--rounds", "1", "--concurrency", *AT_ONCE, "--growth", str(GROWTH)]
    command += ["--memory", str(places["memory"]), "--disk", str(places["disk"]), "--output", str(output)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)


@pytest.fixture(scope="module")
def results(ran: subprocess.CompletedProcess[str], output: Path) -> dict[str, Any]:
    """What it has written."""
    assert (output / "results.json").exists(), ran.stderr
    document: dict[str, Any] = json.loads((output / "results.json").read_text())
    return document


def test_a_run_writes_its_figures_and_its_tables(results: dict[str, Any], output: Path) -> None:
    assert (output / "results.md").read_text() == documents.markdown(results)


def test_its_exit_status_is_whether_every_goal_that_gates_is_met(
    ran: subprocess.CompletedProcess[str], results: dict[str, Any]
) -> None:
    assert ran.returncode == (0 if passed(judge(results)) else 1)
    assert "Everything is in" in ran.stdout


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


@pytest.mark.parametrize("part", ["memory", "disk"])
def test_what_a_job_calls_is_counted_by_stage_and_in_all(results: dict[str, Any], part: str) -> None:
    stages, calls = results[part]["stages"].values(), results[part]["calls"]
    assert calls.keys() == set(MODES)
    for what in COUNTS:
        from_pool, from_nothing = (calls[mode][what]["p50"] for mode in (POOL, NOTHING))
        assert 0 < sum(stage[what]["p50"] for stage in stages) == from_pool < from_nothing


def test_a_boundary_is_crossed_by_the_stages_that_need_it_alone(results: dict[str, Any]) -> None:
    stages = results["memory"]["stages"]
    http = {name for name, stage in stages.items() if stage["HTTP"]["p50"] > 0}
    assert http == {*(name for name in stages if name.startswith("Register")), "Finalize"}
    assert (
        stages["Verify project"]["Secrets Manager"]["p50"] == 0 < stages["Generate API keys"]["Secrets Manager"]["p50"]
    )


@pytest.mark.skipif(not (processor.PROC / "stat").exists(), reason="only Linux counts it in /proc")
def test_the_seconds_of_the_processor_are_all_that_the_cores_have(results: dict[str, Any]) -> None:
    cores = results["machine"]["cores"]
    for mode in results["memory"]["concurrency"].values():
        for found in mode.values():
            seconds, lasted = found["processor_seconds"], found["ms"]["n"] / found["per_second"]
            # Linux counts in hundredths of a second, of each core.
            assert sum(seconds.values()) == pytest.approx(cores * lasted, rel=0.1, abs=0.05)
            assert seconds[processor.JOBS] > 0


def test_every_job_ends_however_many_run_at_once(results: dict[str, Any]) -> None:
    for part in ("memory", "disk"):
        for mode in MODES:
            measured = results[part]["concurrency"][mode]
            assert list(measured) == AT_ONCE
            assert [found["ms"]["n"] for found in measured.values()] == [3, 4]
            assert all(found["per_second"] > 0 for found in measured.values())


def test_growth_is_measured_beside_tenants_that_are_there(results: dict[str, Any]) -> None:
    growth = results["disk"]["growth"]
    assert growth["tenants"] >= GROWTH
    assert 5 < growth["megabytes_per_tenant"] < 12
    for where in (growth["filled"], growth["empty"]):
        assert list(where["ms"]) == [*map(handlers_in_order, MODES), FLOOR]
        assert {tuple(stages) for stages in where["stages"].values()} == {tuple(results["disk"]["stages"])}


def test_the_import_of_every_handler_is_measured(results: dict[str, Any]) -> None:
    assert handlers().keys() <= results["imports"].keys()
    assert all(found["ms"]["p50"] > 0 for found in results["imports"].values())


@pytest.mark.parametrize("part", ["memory", "disk"])
def test_suspending_and_resuming_a_tenant_is_measured(results: dict[str, Any], part: str) -> None:
    measured = results[part]["access"]
    assert measured.keys() == {"suspension", CLIENT_OUT, "resumption"}
    assert all(found["p50"] > 0 for found in measured.values())


def test_no_database_of_a_run_stays(results: dict[str, Any], places: dict[str, Path]) -> None:
    assert [list(place.iterdir()) for place in places.values()] == [[], []]
