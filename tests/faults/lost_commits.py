"""The losses of the matrix: every statement of a job, times the last 1, 2, 5 and all of its commits."""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.stack import Stack
from local.template import read_template
from tests.faults.boundary import Boundary
from tests.faults.choosing import Choice, run_asked
from tests.faults.kinds import JOBS
from tests.faults.losses import Laboratory, Loser, Loss, Verdict
from tests.faults.matrix import TIME_SCALE, make_room
from tests.faults.recovery import apart

TIMEOUT_SCALE = 1 / 3
"""No loss waits for the end of an attempt's time."""

MEMORY = Path("/dev/shm")  # noqa: S108 (copies of whole servers, kept in memory where that is possible)


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """Yield a laboratory on a separate stack, in a directory that is removed afterwards."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="losses-", dir=place, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        stack = Stack(Path(folder) / "state", time_scale=TIME_SCALE, timeout_scale=TIMEOUT_SCALE, fsync=False)
        boundary = Boundary()
        with stack, boundary.installed(stack.runtime, read_template().functions), apart(stack) as servers:
            make_room(stack)
            os.environ["POOL_SIZE"] = "1"
            yield Laboratory(stack, servers, boundary, Path(folder) / "copies")


def all_losses(laboratory: Laboratory) -> list[Loss]:
    """Return every loss of every kind of job."""
    return [loss for job in JOBS for loss in laboratory.losses(job)]


def run_share(number: int, shares: int, choice: Choice) -> list[Verdict]:
    """Run every shares-th chosen loss on a separate stack and return the verdicts."""
    with laboratory() as place:
        losses = choice.of(all_losses(place))[number::shares]
        verdicts = []
        for loss in losses:
            verdicts.append(verdict := place.run(loss))
            if verdict.problems:
                print(_described(verdict), file=sys.stderr, flush=True)
            if len(verdicts) % 50 == 0:
                print(f"process {number + 1}: {len(verdicts)} of {len(losses)} losses", file=sys.stderr, flush=True)
        return verdicts


@dataclass(frozen=True)
class Case:
    """A loss by name: before the first statement of a function that begins so."""

    job: str
    loser: Loser
    function: str
    what: str
    count: int | None


def run_cases(cases: Sequence[Case]) -> list[Verdict]:
    """Run these losses on a stack of their own, in a process that runs no other, and return the verdicts."""
    jobs = {job.name: job for job in JOBS}
    with laboratory() as place:
        points = {name: place.losses(jobs[name]) for name in {case.job for case in cases}}
        return [
            place.run(replace(next(one for one in points[case.job] if _is_before(case, one)), count=case.count))
            for case in cases
        ]


def _is_before(case: Case, loss: Loss) -> bool:
    where = (loss.loser, loss.point.function) == (case.loser, case.function)
    return where and loss.point.what.startswith(case.what)


def run(choice: Choice, processes: int) -> list[Verdict]:
    """Run the chosen losses in several processes."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        shares = pool.map(run_share, range(processes), repeat(processes), repeat(choice))
        return [verdict for share in shares for verdict in share]


def report(verdicts: list[Verdict], console: Console) -> None:
    """Print the losses as a table, and each that broke the promise."""
    endings = ("succeeded", "nothing left", "something named")
    table = Table("lost commits of the", "losses", "struck", *endings, "survived", "not survived")
    for loser in Loser:
        row = [verdict for verdict in verdicts if verdict.loss.loser is loser]
        ended = Counter(verdict.ending for verdict in row)
        failed = sum(1 for verdict in row if verdict.problems)
        numbers = (len(row), sum(verdict.struck for verdict in row), *(ended[one] for one in endings))
        table.add_row(str(loser), *map(str, (*numbers, len(row) - failed, failed)))
    broken = [verdict for verdict in verdicts if verdict.problems]
    console.print(table)
    console.print(f"{len(verdicts)} losses, {len(verdicts) - len(broken)} survived, {len(broken)} not survived")
    for verdict in broken:
        console.print(_described(verdict))


def _described(verdict: Verdict) -> str:
    ending = f"{verdict.status} {verdict.error}: {verdict.cause}"
    return "\n    ".join([f"- {verdict.loss.name} ({ending})", *verdict.problems])


if __name__ == "__main__":
    sys.exit(run_asked(__doc__, run, report))
