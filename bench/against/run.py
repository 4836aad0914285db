"""One whole comparison: short runs of both trees, in memory and on a disk.

In a short run both trees have a server and a warm environment, and take turns, a few jobs at a time: what else the
machine does falls on both.
"""

import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.against import medians, trees
from bench.against.medians import Compared
from bench.against.trees import Figures, Run, Tree
from bench.tables import table

ROOM_GB_PER_RUN = 1.2


@dataclass(frozen=True)
class Options:
    """How much is measured, and where; nothing in memory where there is no such directory."""

    commit: str
    memory: Path | None
    disk: Path
    rounds: int = 5
    jobs: int = 5
    """Of each kind, in each run."""

    burst: int = 20
    """Jobs of each run, two at once."""


@dataclass
class Results:
    """What came out, by part: memory, disk."""

    options: Options
    commit: str
    machine: dict[str, Any] = field(default_factory=machine.describe)
    parts: dict[str, dict[str, Compared]] = field(default_factory=dict)
    seconds: int = 0

    def document(self) -> str:
        """Return everything as Markdown."""
        loads = (f"{self.machine[f'load_average_at_{when}'][0]} at the {when}" for when in ("start", "end"))
        where = f"{self.machine['processor']}, {self.machine['cores']} cores, load {' and '.join(loads)}"
        head = (
            f"Work tree against {self.commit}: {self.options.rounds} runs of {self.options.jobs} jobs of a kind, in"
            f" which the trees take turns. A cell is the median (lower to upper quartile); a ratio is of the turns'"
            f" own ratios. {where}, {self.seconds} s."
        )
        tables = (f"## {part}\n\n{markdown(found, self.commit)}" for part, found in self.parts.items())
        return "\n\n".join([head, *tables]) + "\n"


def markdown(compared: Mapping[str, Compared], commit: str) -> str:
    """Return the comparison as a table: median (quartiles) of each tree, and the ratio."""
    rows = []
    for name, found in compared.items():
        spreads = (str(spread or "-") for spread in (found.work_tree, found.commit, found.ratio))
        rows.append([name, *spreads, str(found.turns)])
    return table(["", "work tree", commit, f"work tree ÷ {commit}", "n"], rows)


def problems(options: Options) -> list[str]:
    """Return what keeps the directories from being measured in."""
    found = [machine.problem(options.disk, in_memory=False, gigabytes=ROOM_GB_PER_RUN * 2 * options.rounds)]
    if options.memory is not None:
        found.append(machine.problem(options.memory, in_memory=True, gigabytes=2 * ROOM_GB_PER_RUN))
    return [problem for problem in found if problem]


def compare(options: Options) -> Results:
    """Measure both trees and return the results. Progress goes to stderr."""
    began = time.monotonic()
    with ExitStack() as made:
        theirs = made.enter_context(trees.tree_of(options.commit))
        results = Results(options, theirs.name)
        both = trees.work_tree(), theirs
        places = {"memory": options.memory, "disk": options.disk}
        runs = {
            name: _Runs(both, _directory(place, made), keep=name == "disk") for name, place in places.items() if place
        }
        for number in range(options.rounds):
            for name, found in runs.items():
                _progress(began, f"{name}, run {number + 1} of {options.rounds}")
                found.take_turns("--jobs", str(options.jobs), "--burst", str(options.burst))
    results.parts = {name: medians.compare(found.turns) for name, found in runs.items()}
    results.machine["load_average_at_end"] = [round(load, 2) for load in os.getloadavg()]
    results.seconds = round(time.monotonic() - began)
    return results


@dataclass
class _Runs:
    """Runs of both trees, in directories of one place, and what each measured next to the other.

    On a disk the directories stay until the end: removing one would slow down the next run (bench.run).
    """

    both: tuple[Tree, Tree]
    directory: Path
    keep: bool
    turns: list[tuple[Figures, Figures]] = field(default_factory=list)
    _taken: int = 0

    def take_turns(self, *options: str) -> None:
        """Run both trees at once, one of them at work, either first in its turn."""
        ours, theirs = self.both
        with self._started(ours, *options) as our_run, self._started(theirs, *options) as their_run:
            for number in itertools.count():
                if number % 2:
                    found_theirs, found = their_run.turn(), our_run.turn()
                else:
                    found, found_theirs = our_run.turn(), their_run.turn()
                if found is None or found_theirs is None:
                    return
                self.turns.append((found, found_theirs))

    @contextmanager
    def _started(self, tree: Tree, *options: str) -> Iterator[Run]:
        directory = self.directory / str(self._taken)
        self._taken += 1
        with tree.running(directory, *options) as run:
            yield run
        if not self.keep:
            shutil.rmtree(directory)


def _directory(place: Path, made: ExitStack) -> Path:
    return Path(made.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=place)))


def _progress(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)
