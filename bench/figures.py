"""Percentiles, what a figure is worth (how often it was measured), and both in Markdown's tables."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

Figures = dict[str, float]
"""One thing measured n times: p50 and p95 in the unit of what was measured, and n."""


def figures(values: Sequence[float]) -> Figures:
    """Return the figures of at least one value, to a ten-thousandth."""
    return {"p50": round(percentile(values, 50), 4), "p95": round(percentile(values, 95), 4), "n": len(values)}


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the percentile, interpolated between the two nearest values."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def by_stage(jobs: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, Figures]]:
    """Return, per stage, the figures of everything that was measured of it in at least one job."""
    return {
        stage: {what: figures([job[stage][what] for job in jobs]) for what in spent} for stage, spent in jobs[0].items()
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with that head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(found: Figures) -> list[str]:
    """Return p50, p95 and n of what was measured."""
    return [f"{found['p50']:.1f}", f"{found['p95']:.1f}", f"{found['n']:.0f}"]
