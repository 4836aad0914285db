"""One whole comparison: short runs of both trees in turn, in memory and on a disk; then growth, if asked for."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.against import medians, trees
from bench.against.medians import Compared
from bench.against.trees import Tree, Values

ROOM_GB, ROOM_GB_PER_TENANT = 2.0, 0.009


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
        head = (
            f"Work tree against {self.commit}: {self.options.rounds} runs of each in turn, with {self.options.jobs} jobs"
            f" of a kind. A cell is the median of the runs' medians (least to greatest run); a ratio is that of the two"
            f" medians (least to greatest pair of runs). {self.machine['processor']}, {self.machine['cores']} cores, load"
            f" {' and '.join(loads)}, {self.seconds} s."
        )
        tables = (f"## {part}\n\n{medians.markdown(found, self.commit)}" for part, found in self.parts.items())
        return "\n\n".join([head, *tables]) + "\n"


def problems(options: Options) -> list[str]:
    """Return what keeps the directories from being measured in."""
    found = [machine.problem(options.disk, in_memory=False, gigabytes=ROOM_GB + ROOM_GB_PER_TENANT * options.growth)]
    if options.memory is not None:
        found.append(machine.problem(options.memory, in_memory=True, gigabytes=ROOM_GB))
    return [problem for problem in found if problem]


def compare(options: Options) -> Results:
    """Measure both trees and return the results. Progress goes to stderr."""
    began = time.monotonic()
    places = {name: place for name, place in (("memory", options.memory), ("disk", options.disk)) if place}
    pairs: dict[str, list[tuple[Values, Values]]] = {name: [] for name in places}
    with trees.tree_of(options.commit) as theirs:
        results = Results(options, theirs.name)
        both = trees.work_tree(), theirs
        for number in range(options.rounds):
            for name, place in places.items():
                _progress(began, f"{name}, round {number + 1} of {options.rounds}")
                short = ("--jobs", str(options.jobs), "--burst", str(options.burst))
                pairs[name].append(_pair(both, place, number, short))
        if options.growth:
            _progress(began, f"beside {options.growth} tenants")
            growth = ("--growth", str(options.growth), "--jobs", str(options.jobs * options.rounds))
            pairs["growth"] = [_pair(both, options.disk, 0, growth)]
    results.parts = {name: medians.compare(found) for name, found in pairs.items()}
    results.machine["load_average_at_end"] = [round(load, 2) for load in os.getloadavg()]
    results.seconds = round(time.monotonic() - began)
    return results


def _pair(both: tuple[Tree, Tree], place: Path, number: int, options: Sequence[str]) -> tuple[Values, Values]:
    """Return one run of each tree. Every other time the commit's is first, so that a trend falls on both."""
    ours, theirs = both
    if number % 2:
        second = theirs.measure(place, *options)
        return ours.measure(place, *options), second
    return ours.measure(place, *options), theirs.measure(place, *options)


def _progress(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)
