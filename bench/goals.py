"""What has to hold, as ratios of one run, and whether it does. Databases in memory gate; a disk is told beside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import imports
from bench.comparison import CLAIM_DATABASE, FLOOR, HANDLERS_POOL, HANDLERS_TEMPLATE, SELECT

Results = dict[str, Any]
SLOWEST_IMPORT = f"slowest stage's import ÷ {imports.FLOOR}"


@dataclass(frozen=True)
class Goal:
    """A limit for one ratio, which `of` finds in a part of the results; None where it was not measured.

    A disk has a limit of its own where disk is given. It never gates: its noise is several times that of memory.
    """

    name: str
    limit: float
    of: Callable[[Results], float | None]
    at_least: bool = False
    disk: float | None = None
    parts: tuple[str, ...] = ("memory", "disk")

    def met(self, value: float, limit: float) -> bool:
        """Tells whether a value keeps to a limit."""
        return value >= limit if self.at_least else value <= limit


def judge(results: Results) -> list[dict[str, Any]]:
    """Returns a row per goal and part of the results: its limit, what was measured, whether it is met, and gates.

    What was not measured is not met.
    """
    rows = []
    for goal in GOALS:
        for part in goal.parts:
            found = results if part == "run" else results.get(part)
            value = goal.of(found) if found else None
            limit = goal.disk if part == "disk" and goal.disk is not None else goal.limit
            rows.append(
                {
                    "ratio": goal.name,
                    "where": "" if part == "run" else part,
                    "goal": f"{'≥' if goal.at_least else '≤'} {limit:g}",
                    "measured": round(value, 3) if value is not None else None,
                    "met": value is not None and goal.met(value, limit),
                    "gates": part != "disk",
                }
            )
    return rows


def passed(goals: list[dict[str, Any]]) -> bool:
    """Tells whether every goal that gates was measured and is met."""
    return all(row["met"] for row in goals if row["gates"])


def title(ratio: str, results: Results) -> str:
    """Returns a ratio's name, and where it leaves that open, of what it was the ratio."""
    return f"{ratio} ({slowest_import(results)})" if ratio == SLOWEST_IMPORT else ratio


def slowest_import(results: Results) -> str:
    """Returns the module of the stage that takes longest to import; none of them makes an AWS client at import."""
    found: dict[str, float] = {
        name: units["ms"]["p50"] for name, units in results["imports"].items() if name.startswith("stages.")
    }
    return max(found, key=found.__getitem__)


def _to_floor(name: str, floor: str = FLOOR) -> Callable[[Results], float | None]:
    def ratio(part: Results) -> float | None:
        found = part["ms"]
        return float(found[name]["p50"] / found[floor]["p50"]) if name in found else None

    return ratio


def _throughput(mode: str, at_once: str, than: str) -> Callable[[Results], float | None]:
    def ratio(part: Results) -> float | None:
        found = {number: numbers["per_second"] for number, numbers in part["concurrency"][mode].items()}
        base = max(found.values()) if than == "peak" else found.get(than)
        return float(found[at_once] / base) if at_once in found and base else None

    return ratio


def _failures(part: Results) -> float | None:
    return float(sum(found["failures"] for numbers in part["concurrency"].values() for found in numbers.values()))


def _growth(name: str) -> Callable[[Results], float | None]:
    def ratio(part: Results) -> float | None:
        growth = part.get("growth", {})
        at, empty = (list(growth.get(servers, {}).values()) for servers in ("at", "empty"))
        return float(at[-1][name]["p50"] / empty[-1][name]["p50"]) if len(at) > 1 else None

    return ratio


def _slowest_import(results: Results) -> float | None:
    found = results["imports"]
    return float(found[slowest_import(results)]["ms"]["p50"] / found[imports.FLOOR]["ms"]["p50"])


GOALS = (
    Goal(f"{HANDLERS_POOL} ÷ {FLOOR}", 1.1, _to_floor(HANDLERS_POOL), disk=0.3),
    Goal(f"{HANDLERS_TEMPLATE} ÷ {FLOOR}", 2.0, _to_floor(HANDLERS_TEMPLATE), disk=1.2),
    Goal(f"{CLAIM_DATABASE} ÷ {SELECT}", 3, _to_floor(CLAIM_DATABASE, SELECT)),
    *(
        goal
        for mode in ("pool", "template")
        for goal in (
            Goal(f"throughput 2 at once ÷ 1, {mode} mode", 1.7, _throughput(mode, "2", "1"), at_least=True),
            Goal(f"throughput 16 at once ÷ peak, {mode} mode", 0.8, _throughput(mode, "16", "peak"), at_least=True),
        )
    ),
    Goal("failed jobs at any concurrency", 0, _failures),
    Goal("p50 with the most tenants ÷ with none, pool mode", 1.2, _growth(HANDLERS_POOL), parts=("disk",)),
    Goal("p50 with the most tenants ÷ with none, template mode", 1.2, _growth(HANDLERS_TEMPLATE), parts=("disk",)),
    Goal("new connections per warm environment and job", 0, lambda part: float(len(part["warm_job"]["connections"]))),
    Goal(SLOWEST_IMPORT, 1.25, _slowest_import, parts=("run",)),
)
