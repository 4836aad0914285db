"""Throughput and latency of whole jobs, some at once: each in a warm environment of its own."""

import math
from collections.abc import Callable
from typing import Any

from bench import environment, processor
from bench.environment import MODES
from bench.environments import Burst, Environments
from bench.figures import Figures
from local.stack import Stack

Milliseconds = dict[str, float]
"""Of one job, in total and by boundary."""


def measure(
    stack: Stack,
    warm: dict[int, Environments],
    jobs: int,
    passes: int,
    tidy: Callable[[Stack], None],
    progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Returns, per mode and number at once, jobs per second and the figures of a job in ms, whole and by boundary.

    And how many jobs failed, and the seconds that each group of processes had of the processor. warm has as many
    environments for each number at once, as Lambda keeps them: with more, each would have gone cold by its next job.

    Every number takes its turn in every pass, so that a slow moment of the machine does not fall on one alone.
    """
    bursts: dict[str, dict[int, list[Burst[Milliseconds]]]] = {mode: {number: [] for number in warm} for mode in MODES}
    for turn in range(passes):
        for mode in MODES:
            # Up, and down again: what a burst leaves behind shall not fall on the higher numbers alone.
            for number in list(warm) if turn % 2 == 0 else reversed(warm):
                progress(f"pass {turn + 1} of {passes}, {mode}, {number} at once")
                # As many for each of those at once: one that is over works alone, and half the machine waits for it.
                wanted = number * math.ceil(jobs / passes / number)
                warm[number].run(environment.prepare, mode, wanted)
                bursts[mode][number].append(warm[number].burst(environment.provision_by_boundary, wanted, number))
            tidy(stack)
    return {
        mode: {str(number): _summary(found) for number, found in numbers.items()} for mode, numbers in bursts.items()
    }


def _summary(bursts: list[Burst[Milliseconds]]) -> dict[str, Any]:
    jobs = [job for burst in bursts for job in burst.answers]
    failures = [failure for burst in bursts for failure in burst.failures]
    return {
        "per_second": len(jobs) / sum(burst.seconds for burst in bursts),
        "ms": Figures.of([job["total"] for job in jobs]).as_dict() if jobs else None,
        "boundaries": {what: Figures.of([job[what] for job in jobs]).as_dict() for what in jobs[0]} if jobs else {},
        "failures": len(failures),
        "first_failures": failures[:3],
        "processor_seconds": processor.add([burst.processor for burst in bursts]),
        "queued_seconds": round(sum(burst.queued for burst in bursts), 3),
    }
