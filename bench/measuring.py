"""Figures of one run: how they are taken, interleaved, and what is said of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Milliseconds of one piece of work over all its rounds."""

    name: str
    p50: float
    p95: float
    n: int


def interleaved(rounds: int, work: Mapping[str, Callable[[int], object]]) -> dict[str, Figure]:
    """Does each piece of work once in every round, so that a disturbance of the machine meets all of them alike.

    The first round warms up and is not counted. A piece is given the number of its round.
    """
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            started = time.perf_counter()
            do(number)
            if number:
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: figure(name, milliseconds) for name, milliseconds in taken.items()}


def figure(name: str, milliseconds: list[float]) -> Figure:
    """Returns the median and the 95th percentile of at least two values."""
    percentiles = statistics.quantiles(milliseconds, n=20, method="inclusive")
    return Figure(name, round(statistics.median(milliseconds), 3), round(percentiles[18], 3), len(milliseconds))
