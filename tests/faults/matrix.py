"""The fault matrix: every I/O point of a run, times every kind of fault. `make matrix` runs all of it."""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.stack import Stack
from local.template import read_template
from provisioning import control_plane
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from tests.conftest import UNLIMITED
from tests.executions.running import execute
from tests.faults.boundary import Boundary
from tests.faults.cells import NOT_RUN, Cell, Laboratory, Verdict
from tests.faults.choosing import Choice, run_asked
from tests.faults.faults import Fault
from tests.faults.kinds import JOBS, SIZE_WITHOUT_POOL

TIME_SCALE = 1 / 1500
TIMEOUT_SCALE = 1 / 15
"""A Lambda's 50 seconds become 3.3, a task's 60 become 4: enough for an attempt, and short enough for a matrix."""

AT_ONCE = 6

CREATORS = 40
"""Enough for every tenant of a whole matrix: making one would be an I/O point that only some jobs meet."""


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """Yield a laboratory on a separate stack, in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        Path(folder).chmod(0o755)
        stack = Stack(Path(folder) / "state", time_scale=TIME_SCALE, timeout_scale=TIMEOUT_SCALE, fsync=False)
        boundary = Boundary()
        with stack, boundary.installed(stack.runtime, read_template().functions):
            make_room(stack)
            os.environ["POOL_SIZE"] = str(4 * AT_ONCE)
            yield Laboratory(stack, boundary)


def all_cells(laboratory: Laboratory) -> list[Cell]:
    """Return every point of every kind of job with every kind of fault."""
    points = {job: laboratory.points(job) for job in JOBS}
    cells = [Cell(job, point, fault) for job in JOBS for point in points[job] for fault in Fault]
    backs = {job.job_type: points[job] for job in JOBS if job.is_rolled_back}
    return cells + [
        Cell(job, point, Fault.EVERY_ATTEMPT, back[number % len(back)])
        for job in JOBS
        if not job.is_rolled_back and not job.is_asked_for
        for back in (backs[job.job_type],)
        for number, point in enumerate(points[job])
    ]


def run_share(number: int, shares: int, choice: Choice) -> list[Verdict]:
    """Run every shares-th chosen cell on a separate stack, a few at a time, and return their verdicts."""
    with laboratory() as place, ThreadPoolExecutor(AT_ONCE) as pool:
        cells = choice.of(all_cells(place))[number::shares]
        verdicts = []
        for verdict in pool.map(place.run, cells, range(len(cells))):
            verdicts.append(verdict)
            if len(verdicts) % 100 == 0:
                print(f"process {number + 1}: {len(verdicts)} of {len(cells)} cells", file=sys.stderr, flush=True)
        return verdicts


def run(choice: Choice, processes: int) -> list[Verdict]:
    """Run the chosen cells in several processes, because one interpreter uses only one core."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        shares = pool.map(run_share, range(processes), repeat(processes), repeat(choice))
        return [verdict for share in shares for verdict in share]


def make_room(stack: Stack) -> None:
    """Let the server take as many tenants as the matrix has cells, on a cluster with a pool and on one without."""
    control = control_plane.connect()
    (cluster,) = control.clusters()
    for one in (cluster, cluster._replace(cluster_id="without-pool", size=SIZE_WITHOUT_POOL)):
        control.record_cluster(one._replace(capacity=1_000_000))
    execute(stack, "UPDATE control_plane.clusters SET pool_size = 0 WHERE cluster_id = 'without-pool'", "control_plane")
    execute(stack, UNLIMITED, "control_plane")
    session, _ = sessions.on(cluster, creators.make)
    for _ in range(CREATORS):
        creators.make(session)


def report(verdicts: list[Verdict], console: Console) -> None:
    """Print the matrix as a table, and each cell that did not survive."""
    table = Table("fault", "points", "struck", "succeeded", "rolled back", "not run", "survived", "not survived")
    for fault in Fault:
        row = [verdict for verdict in verdicts if verdict.cell.fault is fault]
        status = Counter(verdict.status for verdict in row)
        failed = sum(1 for verdict in row if verdict.problems)
        endings = (status["SUCCEEDED"], status["FAILED"], status[NOT_RUN])
        numbers = (len(row), sum(verdict.struck for verdict in row), *endings)
        table.add_row(str(fault), *map(str, (*numbers, len(row) - failed, failed)))
    failed = sum(1 for verdict in verdicts if verdict.problems)
    console.print(table)
    console.print(f"{len(verdicts)} cells, {len(verdicts) - failed} survived, {failed} not survived")
    console.print(f"{len({verdict.cell.kind for verdict in verdicts})} kinds (job type, stage, fault)")
    for verdict in verdicts:
        if verdict.problems:
            console.print(f"- {verdict.cell.name} ({verdict.status})")
            for problem in verdict.problems:
                console.print(f"    {problem}")


if __name__ == "__main__":
    sys.exit(run_asked(__doc__, run, report))
