"""The command line of the matrix and of its losses: which to run, in how many processes."""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rich.console import Console

from tests.faults.sampling import One, sample


@dataclass(frozen=True)
class Choice:
    """Which to run: those whose name holds a text, and of them a seeded sample, or all."""

    sample: int | None
    seed: int
    only: str

    def of(self, cells: list[One]) -> list[One]:
        """Return the chosen ones; the same in every process."""
        chosen = [cell for cell in cells if self.only in cell.name]
        return chosen if self.sample is None else sample(chosen, self.sample, self.seed)


class Judged(Protocol):
    """What came of one of them."""

    @property
    def problems(self) -> list[str]: ...


Outcome = TypeVar("Outcome", bound=Judged)


def run_asked(
    purpose: str | None,
    run: Callable[[Choice, int], list[Outcome]],
    report: Callable[[list[Outcome], Console], None],
) -> int:
    """Run what the command line asks for, print what came of it, and return 0 if every one survived."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--sample", type=int, help="how many, instead of all")
    parser.add_argument("--seed", type=int, default=1, help="which sample")
    parser.add_argument("--only", default="", help="only those whose name holds this")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many, each with its own stack")
    asked = parser.parse_args()
    console = Console(width=160)
    started = time.monotonic()
    verdicts = run(Choice(asked.sample, asked.seed, asked.only), asked.processes)
    report(verdicts, console)
    sampled = f", a sample with seed {asked.seed}" if asked.sample is not None else ""
    console.print(f"{time.monotonic() - started:.0f} s{sampled}")
    return 1 if any(verdict.problems for verdict in verdicts) else 0
