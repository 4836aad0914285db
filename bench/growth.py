"""How much longer a job takes beside thousands of tenants than beside none, on a disk that keeps their databases."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench import environment, floors, processor, server
from bench.comparison import FLOOR, handlers
from bench.environment import MODES, NOTHING
from bench.environments import Environments, environments
from bench.figures import Figures, by_stage
from local.stack import Stack

KINDS = (*MODES, FLOOR)
FILLING_AT_ONCE = 4
LOT = 50
BACKGROUND_SECONDS = 10.0


def measure(
    stack: Stack, empty: Environments, tenants: int, rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return what jobs and the floor took beside so many tenants, made by jobs, and beside none.

    empty is of a server that has no tenants but those of these measurements: the two take turns in every round. Besides
    there is what each stage of a job took, by boundary. A round adds the three databases that it measures.
    """
    with environments(stack, 1) as warm, environments(stack, FILLING_AT_ONCE, forgetful=True) as filling:
        fill(stack, filling, tenants, progress)
        server.checkpoint(stack)
        background_cores, there = _background_cores(stack), server.count_tenants(stack)
        filled, none = _rounds(warm, empty, rounds, progress)
        return {
            "tenants": there,
            "megabytes_per_tenant": server.megabytes_per_tenant(stack),
            "background_cores": background_cores,
            "filled": filled.as_dict(),
            "empty": none.as_dict(),
        }


def fill(stack: Stack, filling: Environments, tenants: int, progress: Callable[[str], None]) -> None:
    """Make tenants by jobs until the server has so many."""
    filling.run(environment.prepare, NOTHING)
    while (missing := tenants - server.count_tenants(stack)) > 0:
        progress(f"{tenants - missing} of {tenants} tenants")
        burst = filling.burst(environment.provision, min(LOT, missing), FILLING_AT_ONCE)
        if burst.failures:
            raise RuntimeError(f"a tenant could not be made: {burst.failures[0]}")


@dataclass(frozen=True)
class _Measured:
    """What was measured on one server."""

    floor: list[float] = field(default_factory=list)
    jobs: dict[str, list[dict[str, dict[str, float]]]] = field(default_factory=lambda: {mode: [] for mode in MODES})

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of jobs and floor, and by mode those of each stage."""
        totals = {
            handlers(mode): [sum(stage["total"] for stage in job.values()) for job in jobs]
            for mode, jobs in self.jobs.items()
        }
        return {
            "ms": {name: Figures.of(values).as_dict() for name, values in (totals | {FLOOR: self.floor}).items()},
            "stages": {mode: by_stage(jobs) for mode, jobs in self.jobs.items()},
        }


def _rounds(
    warm: Environments, empty: Environments, rounds: int, progress: Callable[[str], None]
) -> tuple[_Measured, _Measured]:
    """Measure every kind on both servers in every round, either first in its turn. The first round does not count."""
    both = (warm, _Measured()), (empty, _Measured())
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        for kind in KINDS:
            for where, measured in both if number % 2 == 0 else reversed(both):
                _one(where, kind, measured if number else _Measured())
    return both[0][1], both[1][1]


def _one(where: Environments, kind: str, measured: _Measured) -> None:
    if kind == FLOOR:
        measured.floor.append(where.run(floors.clone))
    else:
        where.run(environment.prepare, kind)
        measured.jobs[kind].append(where.run(environment.provision_by_stage))


def _background_cores(stack: Stack) -> float | None:
    """Return how many cores the server keeps busy when nobody asks it anything: autovacuum sees to every database."""
    watch = processor.Watch(stack.postgres.directory)
    before, began = watch.snapshot(), time.perf_counter()
    time.sleep(BACKGROUND_SECONDS)
    after = watch.snapshot()
    if before is None or after is None:
        return None
    spent = before.until(after)
    return (spent[processor.BACKGROUND] + spent[processor.SHORT_LIVED]) / (time.perf_counter() - began)
