"""Medians of runs that were taken in pairs, their ratio, and how far the pairs are apart."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from bench.tables import table

Values = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Spread:
    """A median and the least and greatest value."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def as_list(self) -> list[float]:
        """Return median, least and greatest, to a ten-thousandth."""
        return [round(value, 4) for value in (self.median, self.least, self.greatest)]


@dataclass(frozen=True)
class Compared:
    """One figure in both trees, over the medians of its runs; None where a tree does not have it."""

    ours: Spread | None
    theirs: Spread | None
    ratio: Spread | None
    """Its median is of the two medians, not of the pairs' ratios; least and greatest are those of the pairs."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as the results' JSON has it."""
        spreads = {"work_tree": self.ours, "commit": self.theirs, "ratio": self.ratio}
        return {name: spread.as_list() if spread else None for name, spread in spreads.items()}


def compare(pairs: Sequence[tuple[Values, Values]]) -> dict[str, Compared]:
    """Return, for each figure, the work tree's, the commit's and their ratio. A pair holds one run of each tree."""
    names = dict.fromkeys(name for pair in pairs for run in pair for name in run)
    return {name: _compared(pairs, name) for name in names}


def _compared(pairs: Sequence[tuple[Values, Values]], name: str) -> Compared:
    ours, theirs = ([statistics.median(pair[side][name]) for pair in pairs if name in pair[side]] for side in (0, 1))
    ratio = None
    if len(ours) == len(theirs) == len(pairs) and all(theirs):
        ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
        ratio = Spread(statistics.median(ours) / statistics.median(theirs), min(ratios), max(ratios))
    return Compared(Spread.of(ours) if ours else None, Spread.of(theirs) if theirs else None, ratio)


def markdown(compared: Mapping[str, Compared], theirs: str) -> str:
    """Return the comparison as a table: median (least to greatest) of each tree, and the ratio."""
    rows = [[name, *map(_cell, (found.ours, found.theirs, found.ratio))] for name, found in compared.items()]
    return table(["", "work tree", theirs, f"work tree ÷ {theirs}"], rows)


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    digits = 3 if abs(spread.median) < 10 else 1
    numbers = [
        f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in (spread.median, spread.least, spread.greatest)
    ]
    median, least, greatest = numbers
    return median if least == greatest == median else f"{median} ({least} to {greatest})"
