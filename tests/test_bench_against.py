"""make bench AGAINST=COMMIT compares what it says: medians of runs in turn, each with the code of its own tree."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench import machine
from bench.__main__ import MEMORY, UNPUBLISHED
from bench.against import medians, run, trees
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
        "| ms | 25 (22.5 to 27.5) | 10 | 2.502 (2.253 to 2.751) | 2 |",
        "| calls | 4 | - | - | 0 |",
    ]


def test_the_document_names_the_commit_the_runs_and_the_load() -> None:
    results = Results(Options("HEAD~1", None, Path("disk")), "abc1234", MACHINE, seconds=7)
    results.parts["disk"] = medians.compare([({"ms": 1.0}, {"ms": 2.0})])
    assert "Work tree against abc1234: 5 runs" in results.document()
    assert "load 0.5 at the start and 1.5 at the end, 7 s." in results.document()
    assert "## disk\n\n|  | work tree | abc1234 |" in results.document()
    assert "| ms | 1 | 2 | 0.5 | 1 |" in results.document()


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
        options = Options("HEAD", Path(memory), Path(disk), rounds=1, jobs=1, burst=2)
        results = run.compare(options)
        assert [list(Path(place).iterdir()) for place in (memory, disk)] == [[], []]
    assert results.parts.keys() == {"memory", "disk"}
    for part in results.parts.values():
        for name, found in part.items():
            assert found.work_tree, name
            assert found.commit, name
            assert min(found.work_tree.median, found.commit.median) > 0, name
        counted = [found.ratio for name, found in part.items() if name.startswith(COUNTED)]
        assert counted == [Spread(1.0, 1.0, 1.0)] * 6


COUNTED = ("round trips", "connections", "Secrets Manager calls")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
