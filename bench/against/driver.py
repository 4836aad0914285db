"""Measure the tree that is first on the path. Run by bench.against, never imported.

It takes turns with the other tree's driver: it writes {what: value} as a line of JSON and goes on when it is sent a
line. At its end it writes null. The same file runs in both trees, so both are measured by the same loop. What a tree's
internals look like is known to its own `bench` package only. The driver uses these names of it:

- bench.environment: fill_pool, hide_pool, new_payload, provision, provision_by_stage,
  provision_by_boundary, timed, here
- bench.environments: environments, Environments.run, Environments.burst
- bench.boundaries: _meter (the last job's calls), BOUNDARIES, SECRETS_MANAGER, PYTHON
- bench.processor: OF_A_JOB; bench.server: prepare, count_tenants; bench.beside: beside
- local.stack.Stack

Everything else is asked of PostgreSQL itself: the floor clones a tenant's database, and round trips are counted in the
server's log.
"""

import argparse
import inspect
import itertools
import json
import os
import re
import signal
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from psycopg2 import sql

from bench import boundaries, environment, processor, server
from bench.beside import beside
from bench.environments import Environments, environments
from local.stack import Stack

POOL, NOTHING, FLOOR = "from the pool", "from nothing", "CREATE DATABASE TEMPLATE"
FLOOR_TEMPLATE = "bench_floor"
CONTROL_PLANE = "control_plane"
FILLING_AT_ONCE = 4
RELOAD_SECONDS = 0.5
STATEMENT = re.compile(r"^bench (\S*) LOG:  (?:statement|execute [^:]*): ", re.MULTILINE)
LOG_STATEMENTS = {"log_statement": "all", "log_line_prefix": "bench %d "}

Figures = dict[str, float]
Turns = Generator[Figures, None, None]


def main() -> None:
    """Measure the short run or the growth, a turn at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where the databases go")
    parser.add_argument("--jobs", type=int, required=True, help="how many jobs of each kind, a turn each")
    parser.add_argument("--burst", type=int, default=0, help="how many jobs, two at once")
    parser.add_argument("--growth", type=int, default=0, help="existing tenants; measures this only")
    options = parser.parse_args()
    # A run that is told to end stops its servers first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # What anybody prints goes to stderr: stdout holds the figures only.
    figures = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    turns = (
        _growth(options.directory, options.growth, options.jobs)
        if options.growth
        else _short_run(options.directory, options.jobs, options.burst)
    )
    with closing(turns):
        for found in turns:
            print(json.dumps(found), file=figures, flush=True)
            if not sys.stdin.readline():
                return
    print(json.dumps(None), file=figures, flush=True)


def _short_run(directory: Path, jobs: int, burst: int) -> Turns:
    """Yield nothing when everything is warm, then a turn per round of jobs, one of counts and one of a burst."""
    with _stack(directory) as stack:
        with environments(stack, 1) as warm:
            _assert_tree(warm)
            warm.run(make_floor_template)
            _round(warm)
            yield {}
            for _ in range(jobs):
                yield _round(warm) | _profile(warm)
            warm.run(environment.fill_pool, 1)
            from_pool = _calls(stack, warm, POOL)
            warm.run(hide_pool)
            yield from_pool | _calls(stack, warm, NOTHING)
        if burst:
            with environments(stack, 2) as two:
                two.run(environment.fill_pool, burst)
                yield {}
                yield _two_at_once(two, burst)


def _round(warm: Environments) -> Figures:
    """Return the milliseconds of one job from the pool, one from nothing and one bare clone, and their ratios.

    After a checkpoint: a server that was just made has no WAL files to use again and soon no clean buffers, so without
    one the clones of the later rounds take up to six times as long as those of the first.
    """
    warm.run(environment.fill_pool, 1)
    warm.run(checkpoint)
    pool = warm.run(environment.provision)
    warm.run(hide_pool)
    nothing, floor = warm.run(environment.provision), warm.run(clone_floor_template)
    return {
        f"handlers in order, {POOL}, ms": pool,
        f"handlers in order, {NOTHING}, ms": nothing,
        f"{FLOOR}, ms": floor,
        f"{POOL} ÷ {FLOOR}": pool / floor,
        f"{NOTHING} ÷ {FLOOR}": nothing / floor,
    }


def _profile(warm: Environments) -> Figures:
    """Return where the milliseconds of a job from the pool go, by boundary and by stage."""
    warm.run(environment.fill_pool, 1)
    stages = warm.run(environment.provision_by_stage)
    kinds = (*boundaries.BOUNDARIES, boundaries.PYTHON)
    return {
        "own Python per stage, ms": statistics.fmean(stage[boundaries.PYTHON] for stage in stages.values()),
        **{f"{kind}, {POOL}, ms": sum(stage[kind] for stage in stages.values()) for kind in kinds},
        **{f"{name}, {POOL}, ms": stage["total"] for name, stage in stages.items()},
    }


def _calls(stack: Stack, warm: Environments, kind: str) -> Figures:
    """Return how often one warm job calls PostgreSQL and Secrets Manager, and how many connections it opens."""
    log = stack.postgres.directory / "postgres.log"
    with _logged_statements(stack):
        sizes = [log.stat().st_size]
        # Every job measured here makes its project first, which is not of the job.
        warm.run(environment.new_payload)
        sizes.append(log.stat().st_size)
        connections, secrets_manager = warm.run(calls_of_a_job)
        sizes.append(log.stat().st_size)
    project, project_and_job = (_statements(log, *part) for part in itertools.pairwise(sizes))
    databases = project_and_job - project
    if not databases[CONTROL_PLANE]:
        raise AssertionError("the server's log shows no statement of the job")
    return {
        f"round trips to the control plane, {kind}": databases[CONTROL_PLANE],
        f"round trips to the cluster, {kind}": databases.total() - databases[CONTROL_PLANE],
        f"connections opened, {kind}": connections,
        f"Secrets Manager calls, {kind}": secrets_manager,
    }


def _statements(log: Path, start: int, end: int) -> Counter[str]:
    """Return how many statements each database received, from a part of the server's log."""
    with log.open("rb") as file:
        file.seek(start)
        return Counter(STATEMENT.findall(file.read(end - start).decode(errors="replace")))


@contextmanager
def _logged_statements(stack: Stack) -> Iterator[None]:
    """Let the server log every statement that it receives: a line per round trip, with the database's name."""
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        for name, value in LOG_STATEMENTS.items():
            cursor.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        cursor.execute("SELECT pg_reload_conf()")
        time.sleep(RELOAD_SECONDS)
        try:
            yield
        finally:
            cursor.execute("ALTER SYSTEM RESET ALL")
            cursor.execute("SELECT pg_reload_conf()")
            time.sleep(RELOAD_SECONDS)


def _two_at_once(two: Environments, jobs: int) -> Figures:
    two.run(checkpoint)
    burst = two.burst(environment.provision_by_boundary, jobs, 2)
    if burst.failures:
        raise RuntimeError(f"a job failed: {burst.failures[0]}")
    found = {"two at once: jobs per second": jobs / burst.seconds}
    if burst.processor:
        seconds = sum(burst.processor[group] for group in processor.OF_A_JOB) / jobs
        found["two at once: CPU seconds per job"] = seconds
        found["two at once: jobs per second ÷ (2 ÷ CPU seconds per job)"] = jobs / burst.seconds * seconds / 2
    return found


def _growth(directory: Path, tenants: int, jobs: int) -> Turns:
    """Yield the milliseconds of jobs beside so many tenants and, in the same turn, beside none; then their ratios."""
    with (
        beside(directory / "empty") as empty,
        _stack(directory / "filled") as stack,
        environments(stack, 1) as warm,
        environments(stack, FILLING_AT_ONCE, forgetful=True) as filling,
    ):
        _assert_tree(warm)
        _fill(stack, warm, filling, tenants)
        both = {f"beside {tenants} tenants": warm, "beside none": empty}
        for where in both.values():
            where.run(make_floor_template)
            _round(where)
        yield {}
        found: dict[str, list[float]] = {}
        for number in range(jobs):
            turn = {
                f"{what}, {name}": value
                for name, where in (both.items() if number % 2 else reversed(both.items()))
                for what, value in _round(where).items()
            }
            for what, value in turn.items():
                found.setdefault(what, []).append(value)
            yield turn
        yield {f"p50 {' ÷ '.join(both)}, {kind}": _ratio(found, kind, *both) for kind in (POOL, NOTHING)}


def _ratio(found: dict[str, list[float]], kind: str, filled: str, none: str) -> float:
    beside_some, beside_none = (found[f"handlers in order, {kind}, ms, {where}"] for where in (filled, none))
    return statistics.median(beside_some) / statistics.median(beside_none)


def _fill(stack: Stack, warm: Environments, filling: Environments, tenants: int) -> None:
    warm.run(environment.fill_pool, 1)
    warm.run(hide_pool)
    burst = filling.burst(environment.provision, max(tenants - server.count_tenants(stack), 0), FILLING_AT_ONCE)
    if burst.failures:
        raise RuntimeError(f"a tenant could not be made: {burst.failures[0]}")


@contextmanager
def _stack(directory: Path) -> Iterator[Stack]:
    with Stack(directory, fsync=True) as stack:
        server.prepare(stack)
        yield stack


def _assert_tree(warm: Environments) -> None:
    """Raise AssertionError unless the code that is measured is this tree's, which is the working directory."""
    for file in warm.run(files_in_use):
        if not Path(file).is_relative_to(Path.cwd()):
            raise AssertionError(f"{file} is not of the tree in {Path.cwd()}")


# What follows runs in an environment.


def files_in_use() -> list[str]:
    """Return the files of the packages that are measured, and of those that measure."""
    import local
    import provisioning
    import stages

    return [*(str(package.__path__[0]) for package in (local, provisioning, stages)), str(environment.__file__)]


def hide_pool() -> None:
    """Let jobs find nothing that was made before them, of whatever kinds a tree can hide."""
    hide: Callable[..., None] = environment.hide_pool
    hide(**dict.fromkeys(inspect.signature(hide).parameters, True))


def calls_of_a_job() -> tuple[int, int]:
    """Run one job and return how many connections it opened and how often it called Secrets Manager."""
    environment.provision_by_boundary()
    meter = boundaries._meter  # noqa: SLF001 (of either tree)
    return len(meter.connections), meter.calls[boundaries.SECRETS_MANAGER]


def checkpoint() -> None:
    """Write out what is left to write, so that no measurement pays for what was before it."""
    with environment.here().superuser.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def make_floor_template() -> None:
    """Clone the newest tenant's database as the template of the floor, so that the floor has the tree's schema."""
    superuser = environment.here().superuser
    with superuser.cursor() as cursor:
        cursor.execute(
            "SELECT datname::text FROM pg_database WHERE starts_with(datname, 'tenant_') ORDER BY oid DESC LIMIT 1"
        )
        (tenant,) = cursor.fetchone() or ("template1",)
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (tenant,))
        _clone(FLOOR_TEMPLATE, tenant)


def clone_floor_template() -> float:
    """Return the milliseconds of a bare CREATE DATABASE TEMPLATE."""
    return environment.timed(lambda: _clone(f"bench_{uuid.uuid4().hex}", FLOOR_TEMPLATE))


def _clone(name: str, template: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with environment.here().superuser.cursor() as cursor:
        cursor.execute(statement)


if __name__ == "__main__":
    main()
