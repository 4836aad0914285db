"""Throughput and latency of whole jobs, some at once: each in a warm environment of its own."""

import math
from collections.abc import Callable
from typing import Any

from bench import environment
from bench.environment import MODES
from bench.environments import Burst, Environments
from bench.figures import figures
from local.stack import Stack


def measure(
    stack: Stack,
    warm: dict[int, Environments],
    jobs: int,
    passes: int,
    tidy: Callable[[Stack], None],
    progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Return, per mode and number at once, jobs per second, the figures of a job in ms, and the processor's seconds.

    warm has as many environments for each number at once, as Lambda keeps them: with more, each would have gone cold by
    its next job. Every number takes its turn in every pass, so that a slow moment of the machine does not fall on one.
    """
    bursts: dict[str, dict[int, list[Burst]]] = {mode: {number: [] for number in warm} for mode in MODES}
    for turn in range(passes):
        for mode in MODES:
            # Up, and down again: what a burst leaves behind shall not fall on the higher numbers alone.
            for number in list(warm) if turn % 2 == 0 else reversed(warm):
                progress(f"pass {turn + 1} of {passes}, {mode}, {number} at once")
                # As many for each of those at once: one that is over works alone, and half the machine waits for it.
                wanted = number * math.ceil(jobs / passes / number)
                warm[number].run(environment.prepare, mode, wanted)
                bursts[mode][number].append(warm[number].burst(wanted, number))
            tidy(stack)
    return {
        mode: {str(number): _summary(found) for number, found in numbers.items()} for mode, numbers in bursts.items()
    }


def _summary(bursts: list[Burst]) -> dict[str, Any]:
    jobs = [milliseconds for burst in bursts for milliseconds in burst.ms]
    return {
        "per_second": len(jobs) / sum(burst.seconds for burst in bursts),
        "ms": figures(jobs),
        "processor_seconds": {
            group: round(sum(burst.processor[group] for burst in bursts), 3) for group in bursts[0].processor
        },
    }
