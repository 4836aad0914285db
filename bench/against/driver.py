"""Measure the tree that is first on the path. Run by bench.against, never imported.

It takes turns with the other tree's driver: it writes {what: value} as a line of JSON and goes on when it is sent a
line. At its end it writes null. The same file runs in both trees, so both are measured by the same loop. What a tree's
internals look like is known to its own `bench` package only. The driver uses these names of it:

- bench.environment: fill_pool, hide_pool, new_payload, provision, provision_by_stage, timed, here
- bench.environments: environments, Environments.run, Environments.burst
- bench.boundaries: start, BOUNDARIES, POSTGRESQL, SECRETS_MANAGER, PYTHON
- bench.processor: ELSEWHERE, STOLEN, IDLE; bench.server: prepare
- local.stack.Stack

The floor clones a tenant's database, whatever the tree compares itself with.
"""

import argparse
import inspect
import json
import os
import signal
import statistics
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from psycopg2 import sql

from bench import boundaries, environment, processor, server
from bench.environments import Environments, environments
from local.stack import Stack

POOL, NOTHING, FLOOR = "from the pool", "from nothing", "CREATE DATABASE TEMPLATE"
FLOOR_TEMPLATE = "bench_floor"

Figures = dict[str, float]
Turns = Generator[Figures, None, None]


def main() -> None:
    """Measure a turn at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where the databases go")
    parser.add_argument("--jobs", type=int, required=True, help="how many jobs of each kind, a turn each")
    parser.add_argument("--burst", type=int, required=True, help="how many jobs, two at once")
    options = parser.parse_args()
    # A run that is told to end stops its servers first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # What anybody prints goes to stderr: stdout holds the figures only.
    figures = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with closing(_turns(options.directory, options.jobs, options.burst)) as turns:
        for found in turns:
            print(json.dumps(found), file=figures, flush=True)
            if not sys.stdin.readline():
                return
    print(json.dumps(None), file=figures, flush=True)


def _turns(directory: Path, jobs: int, burst: int) -> Turns:
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
            from_pool = _calls(warm, POOL)
            warm.run(hide_pool)
            yield from_pool | _calls(warm, NOTHING)
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


def _calls(warm: Environments, kind: str) -> Figures:
    """Return how often one warm job calls PostgreSQL and Secrets Manager, and how many connections it opens."""
    # Every job measured here makes its project first, which is not of the job.
    project, job = warm.run(calls_of, environment.new_payload), warm.run(calls_of, environment.provision)
    return {f"{what}, {kind}": job[what] - calls for what, calls in project.items()}


def _two_at_once(two: Environments, jobs: int) -> Figures:
    two.run(checkpoint)
    burst = two.burst(environment.provision, jobs, 2)
    if len(burst.answers) < jobs:
        raise RuntimeError("a job failed")
    found = {"two at once: jobs per second": jobs / burst.seconds}
    if burst.processor:
        others = (processor.ELSEWHERE, processor.STOLEN, processor.IDLE)
        seconds = sum(spent for group, spent in burst.processor.items() if group not in others) / jobs
        found["two at once: CPU seconds per job"] = seconds
        found["two at once: jobs per second ÷ (2 ÷ CPU seconds per job)"] = jobs / burst.seconds * seconds / 2
    return found


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


def calls_of(action: Callable[[], object]) -> dict[str, int]:
    """Return the round trips, connections and Secrets Manager calls of an action."""
    meter = boundaries.start()
    action()
    return {
        "round trips": meter.calls[boundaries.POSTGRESQL],
        "connections opened": len(meter.connections),
        "Secrets Manager calls": meter.calls[boundaries.SECRETS_MANAGER],
    }


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
