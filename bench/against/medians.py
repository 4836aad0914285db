"""Medians of what two trees measured in turn, their ratio, and how far the turns are apart."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

from bench.figures import percentile

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), percentile(values, 25), percentile(values, 75))

    @override
    def __str__(self) -> str:
        digits = 3 if abs(self.median) < 10 else 1
        median, lower, upper = (
            f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in (self.median, self.lower, self.upper)
        )
        return median if lower == median == upper else f"{median} ({lower} to {upper})"


@dataclass(frozen=True)
class Compared:
    """One figure in both trees; None where a tree does not have it.

    The ratio is the median of the turns' own ratios: both trees' turns are next to each other, so what else the machine
    does falls on both. The ratio of the two medians lacks that.
    """

    work_tree: Spread | None
    commit: Spread | None
    ratio: Spread | None
    turns: int


def compare(turns: Sequence[tuple[Figures, Figures]]) -> dict[str, Compared]:
    """Return what came out for each figure. A turn holds what the work tree measured and, next to it, the commit."""
    return {
        name: _compared(turns, name) for name in dict.fromkeys(name for pair in turns for run in pair for name in run)
    }


def _compared(turns: Sequence[tuple[Figures, Figures]], name: str) -> Compared:
    ours, theirs = ([pair[side][name] for pair in turns if name in pair[side]] for side in (0, 1))
    pairs = [(pair[0][name], pair[1][name]) for pair in turns if name in pair[0] and name in pair[1]]
    ratios = [our / their for our, their in pairs if their]
    work_tree, commit, ratio = (Spread.of(values) if values else None for values in (ours, theirs, ratios))
    return Compared(work_tree, commit, ratio, len(pairs))
