"""One whole comparison: short runs of both trees in turn, in memory and on a disk; then growth, if asked for."""

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.against import medians, trees
from bench.against.medians import Compared
from bench.against.trees import Tree, Values

ROOM_GB_PER_RUN, ROOM_GB_PER_TENANT = 1.2, 0.009


@dataclass(frozen=True)
class Options:
    """How much is measured, and where; nothing in memory where there is no such directory."""

    commit: str
    memory: Path | None
    disk: Path
    rounds: int = 5
    growth: int = 0
    jobs: int = 5
    """Of each kind, in each run of a tree."""

    burst: int = 20
    """Jobs of a run that are started two at once."""


@dataclass
class Results:
    """What came out, by part: memory, disk, growth."""

    options: Options
    commit: str
    machine: dict[str, Any] = field(default_factory=machine.describe)
    parts: dict[str, dict[str, Compared]] = field(default_factory=dict)
    seconds: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        options = {
            name: str(value) if isinstance(value, Path) else value for name, value in asdict(self.options).items()
        }
        parts = {part: {name: one.as_dict() for name, one in found.items()} for part, found in self.parts.items()}
        return {"options": options, "commit": self.commit, "machine": self.machine, "seconds": self.seconds, **parts}

    def document(self) -> str:
        """Return everything as Markdown."""
        loads = (f"{self.machine[f'load_average_at_{when}'][0]} at the {when}" for when in ("start", "end"))
        where = f"{self.machine['processor']}, {self.machine['cores']} cores, load {' and '.join(loads)}"
        head = (
            f"Work tree against {self.commit}: {self.options.rounds} runs of each in turn, {self.options.jobs} jobs of"
            f" a kind in each. A cell is the median of the runs' medians (least to greatest run). A ratio is of the"
            f" two medians (least to greatest pair of runs). {where}, {self.seconds} s."
        )
        tables = (f"## {part}\n\n{medians.markdown(found, self.commit)}" for part, found in self.parts.items())
        return "\n\n".join([head, *tables]) + "\n"


def problems(options: Options) -> list[str]:
    """Return what keeps the directories from being measured in."""
    disk = ROOM_GB_PER_RUN * 2 * options.rounds + ROOM_GB_PER_TENANT * 2 * options.growth
    found = [machine.problem(options.disk, in_memory=False, gigabytes=disk)]
    if options.memory is not None:
        found.append(machine.problem(options.memory, in_memory=True, gigabytes=ROOM_GB_PER_RUN))
    return [problem for problem in found if problem]


def compare(options: Options) -> Results:
    """Measure both trees and return the results. Progress goes to stderr."""
    began = time.monotonic()
    with ExitStack() as made:
        theirs = made.enter_context(trees.tree_of(options.commit))
        results = Results(options, theirs.name)
        runs = {
            name: _Runs((trees.work_tree(), theirs), _directory(place, made), keep=name == "disk")
            for name, place in (("memory", options.memory), ("disk", options.disk))
            if place
        }
        for number in range(options.rounds):
            for name, found in runs.items():
                _progress(began, f"{name}, round {number + 1} of {options.rounds}")
                found.take("--jobs", str(options.jobs), "--burst", str(options.burst))
        if options.growth:
            _progress(began, f"beside {options.growth} tenants")
            runs["growth"] = _Runs((trees.work_tree(), theirs), _directory(options.disk, made), keep=True)
            runs["growth"].take("--growth", str(options.growth), "--jobs", str(options.jobs * options.rounds))
    results.parts = {name: medians.compare(found.pairs) for name, found in runs.items()}
    results.machine["load_average_at_end"] = [round(load, 2) for load in os.getloadavg()]
    results.seconds = round(time.monotonic() - began)
    return results


@dataclass
class _Runs:
    """Runs of both trees in turn, in directories of one place.

    On a disk the directories stay until the end: removing one would slow down the next run (server.set_aside).
    """

    both: tuple[Tree, Tree]
    directory: Path
    keep: bool
    pairs: list[tuple[Values, Values]] = field(default_factory=list)

    def take(self, *options: str) -> None:
        """Take one run of each tree. Every other time the commit's is first, so that a trend falls on both."""
        number, found = len(self.pairs), {}
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            directory = self.directory / f"{number}-{side}"
            found[side] = self.both[side].measure(directory, *options)
            if not self.keep:
                shutil.rmtree(directory)
        self.pairs.append((found[0], found[1]))


def _directory(place: Path, made: ExitStack) -> Path:
    return Path(made.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=place)))


def _progress(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)
