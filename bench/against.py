"""Compare the work tree with a commit: make bench AGAINST=COMMIT.

Short runs of the two trees alternate, each a process of its own with that tree's code, its own bench included. What
else the machine does falls on both, and each time also stands beside its own run's floor. What a tree does not measure
is "-" in its column.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench import goals, imports, machine, processor
from bench.comparison import FLOOR
from bench.figures import percentile, table
from bench.run import Options, progress
from local.template import REPOSITORY

ROUNDS = 3
"""Of each run: most of a shorter one would be the start of its servers."""
SHIPPED = "functions/requirements.txt"
FLOORS = {"memory": FLOOR, "disk": FLOOR, "imports": imports.FLOOR}
"""The parts of a run, and what each figure of a part is divided by."""

KEEPING = """
import runpy, shutil, sys
kept, remove = sys.argv.pop(1), shutil.rmtree
shutil.rmtree = lambda path, *rest, **named: str(path).startswith(kept) or remove(path, *rest, **named)
runpy.run_module("bench", run_name="__main__", alter_sys=True)
"""
"""python -m bench, but what it makes in one directory stays: on a disk, removing a run's databases slows down the next
run (bench.run.measure). Both trees are told so from outside, because older ones have no option for it."""

Measured = dict[str, float]


class Tree(NamedTuple):
    """A checkout and the interpreter that runs it."""

    name: str
    directory: Path
    python: Path

    def run(self, *arguments: str) -> None:
        """Run Python with this tree's code, and wait for its end even when interrupted: it stops its servers first."""
        path = os.pathsep.join(str(folder) for folder in (self.directory / "functions", self.directory))
        command, variables = [str(self.python), *arguments], os.environ | {"PYTHONPATH": path}
        # Its tables would stand between those of the comparison.
        with subprocess.Popen(command, cwd=self.directory, env=variables, stdout=subprocess.DEVNULL) as process:  # noqa: S603 (our own)
            try:
                process.wait()
            except BaseException:
                process.terminate()
                raise
            finally:
                process.wait()

    def measure(self, memory: Path | None, disk: str) -> dict[str, Measured]:
        """Return the figures of a short run, by part. Raise SystemExit if it fails; a missed goal is no failure.

        What the run makes on the disk stays there.
        """
        with tempfile.TemporaryDirectory(prefix="bench-output-") as output:
            arguments = ["--rounds", str(ROUNDS), "--growth", "0", "--concurrency", "2"]
            arguments += [*(("--memory", str(memory)) if memory else ()), "--disk", disk, "--output", output]
            self.run("-c", KEEPING, disk, *arguments)
            results = Path(output) / "results.json"
            if not results.exists():
                raise SystemExit(f"The run of {self.name} failed.")
            return by_part(json.loads(results.read_text()))


def compare(options: Options, commit: str) -> str:
    """Run both trees in turn, either first in its turn, and return what came out as Markdown. Progress is on stderr."""
    began, here = time.monotonic(), machine.describe()
    turns: list[tuple[dict[str, Measured], ...]] = []
    with tree_of(commit) as theirs, tempfile.TemporaryDirectory(prefix="bench-", dir=options.disk) as disk:
        both = Tree("work tree", REPOSITORY, Path(sys.executable)), theirs
        for number in range(options.rounds):
            found = {}
            for tree in both if number % 2 == 0 else reversed(both):
                progress("against")(f"turn {number + 1} of {options.rounds}, {tree.name}")
                found[tree] = tree.measure(options.memory, disk)
            turns.append(tuple(found[tree] for tree in both))
    head = (
        f"Work tree against {theirs.name}: each turn is a run of both with --rounds {ROUNDS}. Figures are p50, in ms"
        " unless they say what else. A cell is the median (lower to upper quartile); a ratio is of the turns' own"
        f" ratios. {here['processor']}, {here['cores']} cores, load {here['load_average_at_start'][0]} at the start and"
        f" {os.getloadavg()[0]:.2f} at the end, {time.monotonic() - began:.0f} s."
    )
    tables = (
        f"## {part}\n\n{markdown([(ours.get(part, {}), other.get(part, {})) for ours, other in turns], theirs.name)}"
        for part in dict.fromkeys(part for turn in turns for run in turn for part in run)
    )
    return "\n\n".join([head, *tables]) + "\n"


def by_part(results: dict[str, Any]) -> dict[str, Measured]:
    """Return what the goals judge of a run, and the figures of each part, whatever it measured, with their floors."""
    goals_of_run = {row["figure"]: row["measured"] for row in goals.judge(results) if row["measured"] is not None}
    found = {part: dict(_figures(results[part])) for part in FLOORS if part in results}
    for part, measured in found.items():
        floor = FLOORS[part]
        compared = results[part].get("ms", results[part])
        measured |= {f"{name} ÷ {floor}": measured[name] / measured[floor] for name in compared if name != floor}
    return {"goals": goals_of_run} | found


def _figures(found: dict[str, Any], *path: str) -> Iterator[tuple[str, float]]:
    """Yield every p50, jobs per second and CPU seconds per job, by the way to it."""
    name = ", ".join(path)
    if "p50" in found:
        yield name, found["p50"]
    if "per_second" in found:
        yield f"{name}, jobs per second", found["per_second"]
        if (seconds := processor.seconds_per_job(found)) is not None:
            yield f"{name}, CPU seconds per job", seconds
    for key, inner in found.items():
        if isinstance(inner, dict):
            yield from _figures(inner, *path, *([] if key == "ms" else [key]))


def markdown(turns: Sequence[tuple[Measured, Measured]], commit: str) -> str:
    """Return a table of what both measured in each turn, without what is 0 in all: medians, quartiles and ratios.

    The ratio is the median of the turns' own ratios: both trees' runs are next to each other, so what else the machine
    does falls on both. The ratio of the two medians lacks that.
    """
    rows = []
    for name in dict.fromkeys(name for turn in turns for run in turn for name in run):
        ours, theirs = ([run[name] for run in side if name in run] for side in zip(*turns, strict=True))
        pairs = [(our[name], their[name]) for our, their in turns if name in our and name in their]
        if any(ours) or any(theirs):
            ratios = [our / their for our, their in pairs if their]
            rows.append([name, _spread(ours), _spread(theirs), _spread(ratios), str(len(pairs))])
    return table(["", "work tree", commit, f"work tree ÷ {commit}", "n"], rows)


def _spread(values: Sequence[float]) -> str:
    """Return the median and, where they differ from it, the quartiles; "-" for no value."""
    if not values:
        return "-"
    found = statistics.median(values), percentile(values, 25), percentile(values, 75)
    digits = 3 if abs(found[0]) < 10 else 1
    median, lower, upper = (f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in found)
    return median if lower == median == upper else f"{median} ({lower} to {upper})"


@contextmanager
def tree_of(commit: str) -> Iterator[Tree]:
    """Check the commit out beside the repository, and remove the checkout afterwards.

    It shares this interpreter's packages, the stack's among them, while both trees ship the same ones; otherwise it
    gets a venv of its own.
    """
    found = _git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="bench-tree-") as temporary:
        directory = Path(temporary).resolve() / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(directory), found)
        try:
            yield Tree(_git("rev-parse", "--short", found), directory, _python(directory))
        finally:
            _git("worktree", "remove", "--force", str(directory))


def _python(directory: Path) -> Path:
    if (directory / SHIPPED).read_bytes() == (REPOSITORY / SHIPPED).read_bytes():
        return Path(sys.executable)
    subprocess.run(["make", "-C", str(directory), ".venv/installed"], check=True)  # noqa: S603, S607 (our own)
    return directory / ".venv" / "bin" / "python"


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], check=False, cwd=REPOSITORY, capture_output=True, text=True)  # noqa: S603, S607
    if answer.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {answer.stderr.strip()}")
    return answer.stdout.strip()
