"""make bench AGAINST=COMMIT compares what it says: medians of runs in turn, each with the code of its own tree."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bench import against, documents, goals, imports, machine
from bench.__main__ import MEMORY, UNPUBLISHED
from bench.comparison import FLOOR, handlers
from bench.environment import MODES, POOL
from bench.run import Options
from local.template import REPOSITORY


def rows(turns: list[tuple[dict[str, float], dict[str, float]]]) -> list[str]:
    """The rows of the table of these turns."""
    return against.markdown(turns, "abc").splitlines()[2:]


def test_the_ratio_is_the_median_of_the_turns_ratios() -> None:
    turns = [
        ({"ms": ours}, {"ms": theirs}) for ours, theirs in ((2.0, 4.0), (3.0, 2.0), (9.0, 10.0), (4.0, 1.0), (1.0, 8.0))
    ]
    assert rows(turns) == ["| ms | 3 (2 to 4) | 4 (2 to 8) | 0.9 (0.5 to 1.5) | 5 |"]


def test_the_same_figures_on_both_sides_have_the_ratio_one() -> None:
    assert rows([({"ms": value}, {"ms": value}) for value in (1.0, 2.0, 4.0)]) == [
        "| ms | 2 (1.5 to 3) | 2 (1.5 to 3) | 1 | 3 |"
    ]


@pytest.mark.parametrize(("theirs", "told"), [({}, "- | - | 0"), ({"ms": 0.0}, "0 | - | 1")])
def test_what_the_commit_lacks_or_has_none_of_has_no_ratio(theirs: dict[str, float], told: str) -> None:
    assert rows([({"ms": 1.0}, theirs)]) == [f"| ms | 1 | {told} |"]


def test_what_is_zero_in_every_run_is_left_out() -> None:
    assert rows([({"HTTP": 0.0, "ms": 1.0}, {"HTTP": 0.0, "ms": 1.0})]) == ["| ms | 1 | 1 | 1 | 1 |"]


def test_a_turn_without_a_figure_is_not_counted_for_it() -> None:
    assert rows([({}, {}), ({"ms": 20.0}, {"ms": 10.0}), ({"calls": 4}, {"calls": 2})]) == [
        "| ms | 20 | 10 | 2 | 1 |",
        "| calls | 4 | 2 | 2 | 1 |",
    ]


def test_a_cell_tells_the_quartiles_where_they_differ() -> None:
    assert rows([({"ms": ours, "calls": 4}, {"ms": 10.0}) for ours in (20.04, 30.0)]) == [
        "| ms | 25 (22.5 to 27.5) | 10 | 2.502 (2.253 to 2.751) | 2 |",
        "| calls | 4 | - | - | 0 |",
    ]


def test_the_figures_of_a_run_stand_beside_its_own_floor() -> None:
    results: dict[str, Any] = json.loads((documents.RESULTS / "results.json").read_text())
    found = against.by_part(results)
    for part in ("memory", "disk"):
        ms, floor = results[part]["ms"][handlers(POOL)]["p50"], results[part]["ms"][FLOOR]["p50"]
        assert found[part][handlers(POOL)] == ms
        assert found[part][f"{handlers(POOL)} ÷ {FLOOR}"] == ms / floor
        assert found[part]["stages, Finalize, round trips"] == results[part]["stages"]["Finalize"]["round trips"]["p50"]
        two = results[part]["concurrency"][POOL]["2"]
        assert found[part][f"concurrency, {POOL}, 2, jobs per second"] == two["per_second"]
        assert 0 < found[part][f"concurrency, {POOL}, 2, CPU seconds per job"] < 1
    assert found["imports"][f"psycopg2 ÷ {imports.FLOOR}"] < 1
    assert found["goals"] == {row["figure"]: row["measured"] for row in goals.judge(results)}


def test_an_unknown_commit_is_refused_in_one_sentence() -> None:
    with pytest.raises(SystemExit, match="no-such-commit"), against.tree_of("no-such-commit"):
        pass


def test_each_tree_runs_its_own_code_and_the_checkout_is_removed(tmp_path: Path) -> None:
    code = (
        "import bench, local, provisioning, stages, pathlib, sys; found = (bench, local, provisioning, stages)\n"
        "pathlib.Path(sys.argv[1]).write_text(' '.join(package.__path__[0] for package in found))"
    )
    with against.tree_of("HEAD") as tree:
        assert tree.directory != REPOSITORY
        tree.run("-c", code, str(tmp_path / "found"))
        found = (tmp_path / "found").read_text().split()
        assert [Path(package).is_relative_to(tree.directory) for package in found] == [True] * 4
    assert not tree.directory.exists()
    assert str(tree.directory) not in git("worktree", "list")


STAND_IN = """
import argparse, pathlib, shutil, tempfile
parser = argparse.ArgumentParser()
for option in ("rounds", "growth", "concurrency", "memory", "disk", "output"):
    parser.add_argument(f"--{option}", required=True)
options = parser.parse_args()
for place in (options.memory, options.disk):
    with tempfile.TemporaryDirectory(dir=place) as made:
        pathlib.Path(made, "database").touch()
"""
"""A bench that takes the options of any tree's, makes a database in memory and one on a disk, and removes both."""


def stand_in(directory: Path, end: str) -> against.Tree:
    """A tree with that bench, which ends so."""
    (directory / "bench").mkdir()
    (directory / "bench" / "__init__.py").touch()
    (directory / "bench" / "__main__.py").write_text(STAND_IN + end)
    return against.Tree("abc", directory, Path(sys.executable))


def test_what_a_run_makes_on_the_disk_stays_and_in_memory_goes(tmp_path: Path) -> None:
    committed = documents.RESULTS / "results.json"
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    for place in (memory, disk):
        place.mkdir()
    tree = stand_in(tmp_path, f"shutil.copy({str(committed)!r}, options.output)")
    assert tree.measure(memory, str(disk)) == against.by_part(json.loads(committed.read_text()))
    assert [path.name for path in disk.rglob("*") if path.is_file()] == ["database"]
    assert list(memory.iterdir()) == []


def test_a_run_without_results_ends_the_comparison_and_a_missed_goal_does_not(tmp_path: Path) -> None:
    committed = documents.RESULTS / "results.json"
    tree = stand_in(tmp_path, f"shutil.copy({str(committed)!r}, options.output); raise SystemExit(1)")
    assert tree.measure(tmp_path, str(tmp_path)).keys() == {"goals", "memory", "disk", "imports"}
    (tmp_path / "bench" / "__main__.py").write_text("raise SystemExit(0)")
    with pytest.raises(SystemExit, match=r"The run of abc failed\."):
        tree.measure(tmp_path, str(tmp_path))


def test_publishing_a_comparison_is_refused() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "--against", "HEAD", "--publish"],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "--publish is for a whole run" in ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tree_against_its_own_commit_makes_the_same_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    if MEMORY is None or machine.problem(MEMORY, in_memory=True, gigabytes=2):
        pytest.skip("no room in memory here")
    monkeypatch.setattr(against, "ROUNDS", 1)
    commit = git("rev-parse", "--short", "HEAD").strip()
    UNPUBLISHED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MEMORY) as memory, tempfile.TemporaryDirectory(dir=UNPUBLISHED) as disk:
        document = against.compare(Options(rounds=1, memory=Path(memory), disk=Path(disk)), "HEAD")
        assert [list(Path(place).iterdir()) for place in (memory, disk)] == [[], []]
    assert document.startswith(f"Work tree against {commit}: each turn is a run of both with --rounds 1.")
    assert [line for line in document.splitlines() if line.startswith("##")] == [
        "## goals", "## memory", "## disk", "## imports",
    ]  # fmt: skip
    calls = [line.strip("| ").split(" | ") for line in document.splitlines() if line.startswith("| calls, ")]
    assert [sum(mode in name for name, *_ in calls) for mode in MODES] == [6, 6]
    assert {ratio for *_, ratio, _ in calls} == {"1"}


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout
