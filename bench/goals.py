"""What has to hold, of one run, and whether it does. A goal on a disk does not gate."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import processor
from bench.boundaries import PYTHON
from bench.comparison import FLOOR, handlers, to_floor
from bench.environment import NOTHING, POOL

Results = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A limit for one figure, which `of` finds in a part of the results; None where it was not measured."""

    name: str
    limit: float
    of: Callable[[Results], float | None]
    at_least: bool = False
    part: str = "memory"

    @property
    def gates(self) -> bool:
        """A disk's noise is several times that of memory."""
        return self.part != "disk"

    def met(self, value: float) -> bool:
        """Return whether a value keeps to the limit."""
        return value >= self.limit if self.at_least else value <= self.limit


def judge(results: Results) -> list[dict[str, Any]]:
    """Return a row per goal: its limit, what was measured, whether it is met, and whether it gates.

    What was not measured is not met.
    """
    rows = []
    for goal in GOALS:
        found = results.get(goal.part)
        value = goal.of(found) if found else None
        rows.append(
            {
                "figure": goal.name,
                "where": goal.part,
                "goal": f"{'≥' if goal.at_least else '≤'} {goal.limit:g}",
                "measured": round(value, 3) if value is not None else None,
                "met": value is not None and goal.met(value),
                "gates": goal.gates,
            }
        )
    return rows


def passed(goals: list[dict[str, Any]]) -> bool:
    """Return whether every goal that gates was measured and is met."""
    return all(row["met"] for row in goals if row["gates"])


def of_the_bound(found: Results) -> float | None:
    """Return jobs per second, with two at once, as a share of 2 ÷ CPU seconds per job."""
    seconds = processor.seconds_per_job(found)
    return None if seconds is None else float(found["per_second"] * seconds / 2)


def _own_python(part: Results) -> float | None:
    return statistics.fmean(stage[PYTHON]["p50"] for stage in part["stages"].values())


def _two_at_once(part: Results) -> float | None:
    numbers = part["concurrency"][POOL]
    return of_the_bound(numbers["2"]) if "2" in numbers else None


def _growth(mode: str) -> Callable[[Results], float | None]:
    def ratio(part: Results) -> float | None:
        if "growth" not in part:
            return None
        filled, empty = (part["growth"][where]["ms"][handlers(mode)]["p50"] for where in ("filled", "empty"))
        return float(filled / empty)

    return ratio


GOALS = (
    Goal(f"{handlers(POOL)} ÷ {FLOOR}", 2.3, lambda part: to_floor(part, handlers(POOL))),
    Goal(f"{handlers(NOTHING)} ÷ {FLOOR}", 4.6, lambda part: to_floor(part, handlers(NOTHING))),
    Goal("own Python per stage, ms", 1.1, _own_python),
    Goal("2 at once: jobs per second ÷ (2 ÷ CPU seconds per job)", 0.8, _two_at_once, at_least=True),
    Goal("p50 beside the most tenants ÷ beside none, from the pool", 1.1, _growth(POOL), part="disk"),
    Goal("p50 beside the most tenants ÷ beside none, from nothing", 1.3, _growth(NOTHING), part="disk"),
)
"""Why these: ADR 10 (a job beside its floor) and ADR 17 (two at once)."""
