"""wal_log against file_copy, the two ways in which PostgreSQL clones a template, where a disk keeps the databases.

wal_log writes every page into the WAL, and the files at the next checkpoint. file_copy asks for a checkpoint before
and after it copies the files, and after each checkpoint every page that a tenant changes goes into the WAL as a whole.
So each is measured twice: on a server that does nothing else, and beside a tenant that is at work.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from bench import environment, floors, server
from bench.environments import Burst, environments
from bench.figures import Figures
from local.stack import Stack

STRATEGIES = ("wal_log", "file_copy")
AT_ONCE = (1, 2, 4)
IDLE, AT_WORK = "nothing else", "a tenant at work"
ROWS = 40_000
"""Of a kilobyte each: the tenant at work changes them all over."""
PAUSE_SECONDS = 0.002
"""Between its commits."""


def measure(stack: Stack, databases: int, passes: int, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns, per strategy, number at once and what else the server does, what a database costs, and what others pay.

    The seconds of a burst end with a checkpoint, so that both strategies have paid for everything they wrote.
    """
    kinds = [
        (beside, at_once, strategy) for beside in (IDLE, AT_WORK) for at_once in AT_ONCE for strategy in STRATEGIES
    ]
    found: dict[tuple[str, int, str], list[dict[str, Any]]] = {kind: [] for kind in kinds}
    with environments(stack, max(AT_ONCE)) as warm:
        warm.run(environment.fill_pool, 1)
        _make_table(stack)
        for turn in range(passes):
            # Neither strategy is always the one that comes after the other.
            for kind in kinds if turn % 2 == 0 else reversed(kinds):
                beside, at_once, strategy = kind
                progress(f"pass {turn + 1} of {passes}, {strategy}, {at_once} at once, beside {beside}")
                server.checkpoint(stack)
                create = partial(floors.create_from_template, strategy)
                run = partial(warm.burst, create, max(databases, at_once), at_once)
                found[kind].append(_burst(stack, run, beside))
    return [_summary(kind, runs) for kind, runs in found.items()]


def _burst(stack: Stack, run: Callable[[], Burst[float]], beside: str) -> dict[str, Any]:
    wal = server.wal_bytes(stack)
    with _tenant(stack, at_work=beside == AT_WORK) as commits:
        started = time.perf_counter()
        burst = run()
        server.checkpoint(stack)
        seconds = time.perf_counter() - started
    if burst.failures:
        raise RuntimeError(f"a database could not be made: {burst.failures[0]}")
    return {
        "ms": burst.answers,
        "seconds": seconds,
        "commits": commits,
        "wal": server.wal_bytes(stack) - wal,
    }


def _summary(kind: tuple[str, int, str], runs: list[dict[str, Any]]) -> dict[str, Any]:
    beside, at_once, strategy = kind
    milliseconds = [value for run in runs for value in run["ms"]]
    commits = [value for run in runs for value in run["commits"]]
    seconds = sum(run["seconds"] for run in runs)
    return {
        "strategy": strategy,
        "at_once": at_once,
        "beside": beside,
        "per_second": round(len(milliseconds) / seconds, 3),
        "ms": Figures.of(milliseconds).as_dict(),
        "wal_megabytes_per_database": round(sum(run["wal"] for run in runs) / len(milliseconds) / 1e6, 3),
        "commits_per_second": round(len(commits) / seconds, 1),
        "commit_ms": Figures.of(commits).as_dict() if commits else None,
    }


def _make_table(stack: Stack) -> None:
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE at_work AS SELECT row, 0 AS number, repeat('x', 1000) AS filler"
            " FROM generate_series(1, %s) AS row",
            (ROWS,),
        )
        cursor.execute("CREATE UNIQUE INDEX ON at_work (row)")


@contextmanager
def _tenant(stack: Stack, *, at_work: bool) -> Iterator[list[float]]:
    """Yields the milliseconds of the commits that a tenant at work makes meanwhile."""
    commits: list[float] = []
    ended = threading.Event()
    chance = random.Random(1)  # noqa: S311 (which row is changed)

    def work() -> None:
        with closing(stack.postgres.connect()) as tenant, tenant.cursor() as cursor:
            while not ended.wait(PAUSE_SECONDS):
                change = partial(
                    cursor.execute,
                    "UPDATE at_work SET number = number + 1 WHERE row = %s",
                    (chance.randint(1, ROWS),),
                )
                commits.append(environment.timed(change))

    thread = threading.Thread(target=work)
    if at_work:
        thread.start()
    try:
        yield commits
    finally:
        ended.set()
        if at_work:
            thread.join()
