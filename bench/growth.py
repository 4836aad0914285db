"""How a provision's time grows with the tenants that are there already, on a disk that keeps their databases."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench import environment, floors, processor, server
from bench.comparison import FLOOR, HANDLERS_POOL, HANDLERS_TEMPLATE
from bench.environments import Environments, environments
from bench.figures import Figures, by_stage
from local.stack import Stack

JOBS = (HANDLERS_POOL, HANDLERS_TEMPLATE)
KINDS = (*JOBS, FLOOR)
FILLING_AT_ONCE = 4
LOT = 50
BACKGROUND_SECONDS = 10.0


def measure(
    stack: Stack, empty: Environments, sizes: list[int], rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Returns the figures at each number of tenants, each reached by real jobs, and the slopes over all of them.

    empty is of a server that has no tenants but those of these measurements: the two take turns in every round, and a
    slope is of what the one takes longer than the other. Besides there is what each stage of a job took with the most
    tenants and, in the same rounds, with none, by boundary. A round adds the two or three tenants that it measures.
    """
    found: dict[str, Any] = {"at": {}, "empty": {}, "background_cores": {}}
    with environments(stack, 1) as warm, environments(stack, FILLING_AT_ONCE, forgetful=True) as filling:
        warm.run(environment.fill_pool, 1)
        server.set_aside(stack)
        for size in map(str, sizes):
            _fill(stack, warm, filling, int(size), progress)
            server.checkpoint(stack)
            found["background_cores"][size] = _background_cores(stack)
            progress(f"{size} tenants: {rounds} rounds")
            tenants = server.count_tenants(stack)
            filled, none = _rounds(warm, empty, rounds)
            found["at"][size], found["empty"][size] = {"tenants": tenants} | filled.figures(), none.figures()
            found["stages"] = {"none": none.stages(), size: filled.stages()}
        found["megabytes_per_tenant"] = server.megabytes_per_tenant(stack)
    found["ms_per_thousand_tenants"] = {name: _slope(found, name) for name in KINDS if len(sizes) > 1}
    return found


@dataclass(frozen=True)
class _Measured:
    """What was measured on one server."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in KINDS})
    jobs: dict[str, list[dict[str, dict[str, float]]]] = field(default_factory=lambda: {name: [] for name in JOBS})

    def figures(self) -> dict[str, Any]:
        """Returns the figures of each kind."""
        return {name: Figures.of(values).as_dict() for name, values in self.milliseconds.items()}

    def stages(self) -> dict[str, Any]:
        """Returns, of each kind of job, the figures of its stages by boundary."""
        return {name: by_stage(jobs) for name, jobs in self.jobs.items()}


def _rounds(warm: Environments, empty: Environments, rounds: int) -> tuple[_Measured, _Measured]:
    """Measures every kind on both servers in every round, either first in its turn. The first round does not count."""
    both = (warm, _Measured()), (empty, _Measured())
    for number in range(rounds + 1):
        for name in KINDS:
            for environment_of, measured in both if number % 2 == 0 else reversed(both):
                job, milliseconds = _one(environment_of, name)
                if number:
                    measured.milliseconds[name].append(milliseconds)
                    if job is not None:
                        measured.jobs[name].append(job)
    return both[0][1], both[1][1]


def _one(warm: Environments, name: str) -> tuple[dict[str, dict[str, float]] | None, float]:
    """Returns the stages of one job, or None, and the milliseconds of the whole."""
    warm.run(environment.fill_pool, 1)
    if name != HANDLERS_POOL:
        warm.run(environment.hide_pool, template=False)
    if name not in JOBS:
        return None, warm.run(floors.create_from_template)
    job = warm.run(environment.provision_by_stage)
    return job, sum(stage["total"] for stage in job.values())


def _background_cores(stack: Stack) -> float | None:
    """Returns how many cores the server keeps busy when nobody asks it anything: autovacuum sees to every database."""
    watch = processor.Watch(stack.postgres.directory)
    before, began = watch.snapshot(), time.perf_counter()
    time.sleep(BACKGROUND_SECONDS)
    after = watch.snapshot()
    if before is None or after is None:
        return None
    spent = before.until(after)
    return (spent[processor.BACKGROUND] + spent[processor.SHORT_LIVED]) / (time.perf_counter() - began)


def _fill(stack: Stack, warm: Environments, filling: Environments, size: int, progress: Callable[[str], None]) -> None:
    warm.run(environment.hide_pool, template=False)
    while (missing := size - server.count_tenants(stack)) > 0:
        progress(f"{size - missing} of {size} tenants")
        burst = filling.burst(environment.provision, min(LOT, missing), FILLING_AT_ONCE)
        if burst.failures:
            raise RuntimeError(f"a tenant could not be made: {burst.failures[0]}")


def _slope(found: dict[str, Any], name: str) -> float:
    tenants = [float(at["tenants"]) for at in found["at"].values()]
    longer = [at[name]["p50"] - found["empty"][size][name]["p50"] for size, at in found["at"].items()]
    return statistics.linear_regression(tenants, longer).slope * 1000
