"""make bench AGAINST=COMMIT compares what it says: medians of runs in turn, each with the code of its own tree."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bench import machine
from bench.__main__ import MEMORY, UNPUBLISHED
from bench.against import goals, medians, run, trees
from bench.against.medians import Compared, Spread
from bench.against.run import Options, Results
from local.template import REPOSITORY

MACHINE = {"processor": "P", "cores": 2, "load_average_at_start": [0.5], "load_average_at_end": [1.5]}


def test_the_ratio_is_the_median_of_the_turns_ratios() -> None:
    turns = [
        ({"ms": ours}, {"ms": theirs}) for ours, theirs in ((2.0, 4.0), (3.0, 2.0), (9.0, 10.0), (4.0, 1.0), (1.0, 8.0))
    ]
    (found,) = medians.compare(turns).values()
    assert found == Compared(Spread(3.0, 2.0, 4.0), Spread(4.0, 2.0, 8.0), Spread(0.9, 0.5, 1.5), 5)


def test_the_same_figures_on_both_sides_have_the_ratio_one() -> None:
    same = [({"ms": value}, {"ms": value}) for value in (1.0, 2.0, 4.0)]
    assert {found.ratio for found in medians.compare(same).values()} == {Spread(1.0, 1.0, 1.0)}


@pytest.mark.parametrize("theirs", [{}, {"ms": 0.0}])
def test_what_the_commit_lacks_or_has_none_of_has_no_ratio(theirs: dict[str, float]) -> None:
    (found,) = medians.compare([({"ms": 1.0}, theirs)]).values()
    assert found.ratio is None
    assert found.work_tree == Spread(1.0, 1.0, 1.0)


def test_a_turn_without_a_figure_is_not_counted_for_it() -> None:
    compared = medians.compare([({}, {}), ({"ms": 20.0}, {"ms": 10.0}), ({"calls": 4}, {"calls": 2})])
    assert {name: found.turns for name, found in compared.items()} == {"ms": 1, "calls": 1}
    assert compared["ms"].ratio == compared["calls"].ratio == Spread(2.0, 2.0, 2.0)


def test_a_cell_tells_the_quartiles_where_they_differ() -> None:
    turns = [({"ms": ours, "calls": 4}, {"ms": 10.0}) for ours in (20.04, 30.0)]
    assert run.markdown(medians.compare(turns), "abc").splitlines()[2:] == [
        "| ms | 25 (22.5 to 27.5) | 10 | 2.502 (2.253 to 2.751) | 2 |  |",
        "| calls | 4 | - | - | 0 |  |",
    ]


@pytest.mark.parametrize(
    ("figure", "ours", "theirs", "told"),
    [
        ("handlers in order, from the pool, ms", 30.0, 40.0, "ratio ≤ 0.75: met"),
        ("handlers in order, from the pool, ms", 31.0, 40.0, "ratio ≤ 0.75: **missed**"),
        ("p50 beside 3 tenants ÷ beside none, from nothing", 1.3, 9.0, "≤ 1.3: met"),
        (goals.TWO_AT_ONCE, 0.7, 0.1, "≥ 0.8: **missed**"),
        ("handlers in order, from nothing, ms, beside none", 1.0, 9.0, ""),
    ],
)
def test_a_goal_stands_beside_its_figure(figure: str, ours: float, theirs: float, told: str) -> None:
    assert goals.of(figure, *medians.compare([({figure: ours}, {figure: theirs})]).values()) == told


def test_a_goal_of_a_ratio_is_not_met_where_there_is_no_ratio() -> None:
    figure = "own Python per stage, ms"
    assert goals.of(figure, *medians.compare([({figure: 0.1}, {})]).values()) == "ratio ≤ 0.79: not measured"


def test_the_document_names_the_commit_the_runs_and_the_load() -> None:
    results = Results(Options("HEAD~1", None, Path("disk")), "abc1234", MACHINE, seconds=7)
    results.parts["disk"] = medians.compare([({"ms": 1.0}, {"ms": 2.0})])
    assert "Work tree against abc1234: 5 runs" in results.document()
    assert "load 0.5 at the start and 1.5 at the end, 7 s." in results.document()
    assert "## disk\n\n|  | work tree | abc1234 |" in results.document()
    assert json.loads(json.dumps(results.as_dict()))["disk"]["ms"]["ratio"]["median"] == 0.5


def test_an_unknown_commit_is_refused_in_one_sentence() -> None:
    with pytest.raises(SystemExit, match="no-such-commit"), trees.tree_of("no-such-commit"):
        pass


def test_publishing_a_comparison_is_refused() -> None:
    ran = bench("--against", "HEAD", "--publish")
    assert ran.returncode == 2
    assert "--publish is for a whole run" in ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tree_against_its_own_commit_makes_the_same_calls() -> None:
    if MEMORY is None or machine.problem(MEMORY, in_memory=True, gigabytes=2):
        pytest.skip("no room in memory here")
    UNPUBLISHED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MEMORY) as memory, tempfile.TemporaryDirectory(dir=UNPUBLISHED) as disk:
        options = Options("HEAD", Path(memory), Path(disk), rounds=1, growth=3, jobs=1, burst=2)
        results = run.compare(options)
        assert [list(Path(place).iterdir()) for place in (memory, disk)] == [[], []]
    parts: dict[str, Any] = results.as_dict()
    for part in ("memory", "disk"):
        for name, found in parts[part].items():
            assert found["work_tree"]["median"] > 0, name
            assert found["commit"]["median"] > 0, name
        counted = {name: found for name, found in parts[part].items() if name.startswith(COUNTED)}
        assert len(counted) == 8
        assert {tuple(found["ratio"].values()) for found in counted.values()} == {(1.0, 1.0, 1.0)}
    assert {"p50 beside 3 tenants ÷ beside none, from the pool", "CREATE DATABASE TEMPLATE, ms, beside none"} <= set(
        parts["growth"]
    )
    assert "beside 3 tenants" in results.document()


COUNTED = ("round trips", "connections", "Secrets Manager calls")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
