"""wal_log against file_copy, the two ways in which PostgreSQL clones a template, where a disk keeps the databases.

wal_log writes every page into the WAL, and the files at the next checkpoint. file_copy asks for a checkpoint before
and after it copies the files. Who pays for either are also the tenants that are at work meanwhile, so one is watched.
"""

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
PAUSE_SECONDS = 0.005
"""Between the commits of the tenant that is watched."""


def measure(stack: Stack, databases: int, passes: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Returns, per strategy and number at once, databases per second, the figures of one, and of others' commits.

    The seconds of a burst end with a checkpoint, so that both strategies have paid for everything they wrote.
    """
    found: dict[str, dict[int, list[dict[str, Any]]]] = {name: {k: [] for k in AT_ONCE} for name in STRATEGIES}
    with environments(stack, max(AT_ONCE)) as warm:
        warm.run(environment.fill_pool, 1)
        for turn in range(passes):
            for strategy in STRATEGIES if turn % 2 == 0 else reversed(STRATEGIES):
                for at_once in AT_ONCE:
                    progress(f"pass {turn + 1} of {passes}, {strategy}, {at_once} at once")
                    server.clear(stack)
                    create = partial(floors.create_from_template, strategy)
                    run = partial(warm.burst, create, max(databases, at_once), at_once)
                    found[strategy][at_once].append(_burst(stack, run))
        server.clear(stack)
    return {
        name: {str(at_once): _summary(runs) for at_once, runs in numbers.items()} for name, numbers in found.items()
    }


def _burst(stack: Stack, run: Callable[[], Burst]) -> dict[str, Any]:
    wal = server.wal_bytes(stack)
    with _watched_tenant(stack) as commits:
        started = time.perf_counter()
        burst = run()
        server.checkpoint(stack)
        seconds = time.perf_counter() - started
    if burst.failures:
        raise RuntimeError(f"a database could not be made: {burst.failures[0]}")
    return {
        "ms": burst.milliseconds,
        "seconds": seconds,
        "commits": commits,
        "wal": server.wal_bytes(stack) - wal,
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    milliseconds = [value for run in runs for value in run["ms"]]
    return {
        "per_second": len(milliseconds) / sum(run["seconds"] for run in runs),
        "ms": Figures.of(milliseconds).as_dict(),
        "others_commit_ms": Figures.of([value for run in runs for value in run["commits"]]).as_dict(),
        "wal_megabytes_per_database": sum(run["wal"] for run in runs) / len(milliseconds) / 1e6,
    }


@contextmanager
def _watched_tenant(stack: Stack) -> Iterator[list[float]]:
    """Yields the milliseconds of the commits that a tenant makes meanwhile, a few hundred a second at most."""
    commits: list[float] = []
    ended = threading.Event()

    def work() -> None:
        with closing(stack.postgres.connect()) as tenant, tenant.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS watched (number integer)")
            while not ended.wait(PAUSE_SECONDS):
                commits.append(environment.timed(lambda: cursor.execute("INSERT INTO watched VALUES (1)")))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield commits
    finally:
        ended.set()
        thread.join()
