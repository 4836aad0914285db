"""Percentiles, and what a figure is worth: how often it was measured."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class Figures:
    """One thing measured n times, in the unit of what was measured."""

    p50: float
    p95: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the figures of at least one value."""
        return cls(percentile(values, 50), percentile(values, 95), len(values))

    def as_dict(self) -> dict[str, float]:
        """Return the figures as the results' JSON has them, to a ten-thousandth."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the percentile, interpolated between the two nearest values."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def by_stage(jobs: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return, per stage, the figures of everything that was measured of it in at least one job."""
    return {
        stage: {what: Figures.of([job[stage][what] for job in jobs]).as_dict() for what in spent}
        for stage, spent in jobs[0].items()
    }
