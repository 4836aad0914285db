"""What has to hold, of one run, and whether it does. Databases in memory gate; a disk is told beside."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import imports, processor
from bench.boundaries import PYTHON
from bench.comparison import FLOOR, handlers
from bench.environment import MODES, NOTHING, POOL

Results = dict[str, Any]
SLOWEST_IMPORT = f"slowest stage's import ÷ {imports.FLOOR}"


@dataclass(frozen=True)
class Goal:
    """A limit for one figure, which `of` finds in a part of the results; None where it was not measured.

    A disk never gates: its noise is several times that of memory.
    """

    name: str
    limit: float
    of: Callable[[Results], float | None]
    at_least: bool = False
    parts: tuple[str, ...] = ("memory", "disk")

    def met(self, value: float) -> bool:
        """Return whether a value keeps to the limit."""
        return value >= self.limit if self.at_least else value <= self.limit


def judge(results: Results) -> list[dict[str, Any]]:
    """Return a row per goal and part of the results: its limit, what was measured, whether it is met, and gates.

    What was not measured is not met.
    """
    rows = []
    for goal in GOALS:
        for part in goal.parts:
            found = results if part == "run" else results.get(part)
            value = goal.of(found) if found else None
            rows.append(
                {
                    "figure": goal.name,
                    "where": "" if part == "run" else part,
                    "goal": f"{'≥' if goal.at_least else '≤'} {goal.limit:g}",
                    "measured": round(value, 3) if value is not None else None,
                    "met": value is not None and goal.met(value),
                    "gates": part != "disk",
                }
            )
    return rows


def passed(goals: list[dict[str, Any]]) -> bool:
    """Return whether every goal that gates was measured and is met."""
    return all(row["met"] for row in goals if row["gates"])


def title(figure: str, results: Results) -> str:
    """Return a figure's name, and where it leaves that open, of what it was."""
    return f"{figure} ({slowest_import(results)})" if figure == SLOWEST_IMPORT else figure


def slowest_import(results: Results) -> str:
    """Return the module of the stage that takes longest to import; none of them makes an AWS client at import."""
    found: dict[str, float] = {
        name: units["ms"]["p50"] for name, units in results["imports"].items() if name.startswith("stages.")
    }
    return max(found, key=found.__getitem__)


def of_the_bound(found: Results) -> float | None:
    """Return jobs per second, with two at once, as a share of 2 ÷ CPU seconds per job."""
    if not found.get("processor_seconds"):
        return None
    seconds = sum(found["processor_seconds"][group] for group in processor.OF_A_JOB) / found["ms"]["n"]
    return float(found["per_second"] * seconds / 2)


def _to_floor(mode: str) -> Callable[[Results], float | None]:
    return lambda part: float(part["ms"][handlers(mode)]["p50"] / part["ms"][FLOOR]["p50"])


def _own_python(part: Results) -> float | None:
    return statistics.fmean(stage[PYTHON]["p50"] for stage in part["stages"].values())


def _two_at_once(part: Results) -> float | None:
    numbers = part["concurrency"][POOL]
    return of_the_bound(numbers["2"]) if "2" in numbers else None


def _sixteen_at_once(mode: str) -> Callable[[Results], float | None]:
    def ratio(part: Results) -> float | None:
        found = {number: numbers["per_second"] for number, numbers in part["concurrency"][mode].items()}
        return float(found["16"] / max(found.values())) if "16" in found else None

    return ratio


def _failures(part: Results) -> float | None:
    return float(sum(found["failures"] for numbers in part["concurrency"].values() for found in numbers.values()))


def _growth(mode: str) -> Callable[[Results], float | None]:
    def ratio(part: Results) -> float | None:
        if "growth" not in part:
            return None
        filled, empty = (part["growth"][where]["ms"][handlers(mode)]["p50"] for where in ("filled", "empty"))
        return float(filled / empty)

    return ratio


def _slowest_import(results: Results) -> float | None:
    found = results["imports"]
    return float(found[slowest_import(results)]["ms"]["p50"] / found[imports.FLOOR]["ms"]["p50"])


GOALS = (
    Goal(f"{handlers(POOL)} ÷ {FLOOR}", 2.3, _to_floor(POOL)),
    Goal(f"{handlers(NOTHING)} ÷ {FLOOR}", 4.6, _to_floor(NOTHING)),
    Goal("own Python per stage, ms", 1.1, _own_python),
    Goal("2 at once: jobs per second ÷ (2 ÷ CPU seconds per job)", 0.8, _two_at_once, at_least=True),
    *(Goal(f"throughput 16 at once ÷ peak, {mode}", 0.8, _sixteen_at_once(mode), at_least=True) for mode in MODES),
    Goal("failed jobs at any concurrency", 0, _failures),
    Goal("p50 beside the most tenants ÷ beside none, from the pool", 1.1, _growth(POOL), parts=("disk",)),
    Goal("p50 beside the most tenants ÷ beside none, from nothing", 1.3, _growth(NOTHING), parts=("disk",)),
    Goal("new connections per warm job", 1, lambda part: float(len(part["warm_job"]["connections"]))),
    Goal(SLOWEST_IMPORT, 1.25, _slowest_import, parts=("run",)),
)
"""The first two are the issue's 0.75 and 0.67 of what the commit before it took: 3.1 and 6.9 floors."""
