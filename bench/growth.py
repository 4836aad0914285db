"""How a provision's time grows with the tenants that are there already, on a disk that keeps their databases."""

import statistics
from collections.abc import Callable
from typing import Any

from bench import environment, floors, server
from bench.comparison import FLOOR, HANDLERS_POOL, HANDLERS_TEMPLATE
from bench.environments import Environments, environments
from bench.figures import Figures, by_stage
from local.stack import Stack

FILLING_AT_ONCE = 4
LOT = 50


def measure(stack: Stack, sizes: list[int], rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Returns the figures at each number of tenants, each reached by real jobs, and the slopes over all of them.

    A round at a size adds the two or three tenants that it measures; every size has as many rounds. Beside the whole
    of a job there is what each of its stages took, by boundary.
    """
    found: dict[str, Any] = {"at": {}, "stages": {}}
    with environments(stack, 1) as warm, environments(stack, FILLING_AT_ONCE, forgetful=True) as filling:
        warm.run(environment.fill_pool, 1)
        server.set_aside(stack)
        for size in sizes:
            _fill(stack, warm, filling, size, progress)
            server.checkpoint(stack)
            progress(f"{size} tenants: {rounds} rounds")
            found["at"][str(size)], found["stages"][str(size)] = _rounds(stack, warm, rounds)
        found["megabytes_per_tenant"] = server.megabytes_per_tenant(stack)
    found["ms_per_thousand_tenants"] = {name: _slope(found["at"], name) for name in _kinds() if len(sizes) > 1}
    return found


def _kinds() -> tuple[str, ...]:
    return (HANDLERS_POOL, HANDLERS_TEMPLATE, FLOOR)


def _rounds(stack: Stack, warm: Environments, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the figures of each kind, and of each kind of job those of its stages, of the same jobs."""
    tenants = server.count_tenants(stack)
    measured: dict[str, list[float]] = {name: [] for name in _kinds()}
    jobs: dict[str, list[dict[str, dict[str, float]]]] = {HANDLERS_POOL: [], HANDLERS_TEMPLATE: []}
    for number in range(rounds + 1):
        for name in _kinds():
            if name == HANDLERS_POOL:
                warm.run(environment.fill_pool, 1)
            else:
                warm.run(environment.hide_pool, template=False)
            if name in jobs:
                stages = warm.run(environment.provision_by_stage)
                milliseconds = sum(stage["total"] for stage in stages.values())
            else:
                stages, milliseconds = {}, warm.run(floors.create_from_template)
            if number:
                measured[name].append(milliseconds)
                if name in jobs:
                    jobs[name].append(stages)
    figures = {name: Figures.of(values).as_dict() for name, values in measured.items()}
    return {"tenants": tenants} | figures, {name: by_stage(split) for name, split in jobs.items()}


def _fill(stack: Stack, warm: Environments, filling: Environments, size: int, progress: Callable[[str], None]) -> None:
    warm.run(environment.hide_pool, template=False)
    while (missing := size - server.count_tenants(stack)) > 0:
        progress(f"{size - missing} of {size} tenants")
        burst = filling.burst(environment.provision, min(LOT, missing), FILLING_AT_ONCE)
        if burst.failures:
            raise RuntimeError(f"a tenant could not be made: {burst.failures[0]}")


def _slope(at: dict[str, Any], name: str) -> float:
    tenants = [float(found["tenants"]) for found in at.values()]
    return statistics.linear_regression(tenants, [found[name]["p50"] for found in at.values()]).slope * 1000
