"""When Step Functions retries a state: no event says so, but it follows from the state's Retry and its failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

NEVER_RETRIED = {"States.DataLimitExceeded", "States.Runtime"}
DEFAULT_INTERVAL_SECONDS = 1
DEFAULT_MAXIMUM_ATTEMPTS = 3
DEFAULT_BACKOFF_RATE = 2.0


@dataclass(frozen=True)
class Retry:
    """The next attempt at a state."""

    attempt: int
    """Its number, from 2 on."""
    allowed: int
    """How many attempts there will be if this one and all later ones fail in the same way."""
    due: datetime
    jitter: bool = False
    """Whether it may also come earlier."""


def next_retry(
    state: Mapping[str, Any], errors: Sequence[str], failed_at: datetime, time_scale: float = 1.0
) -> Retry | None:
    """Return the next attempt after these errors of the attempts so far, in order, or None if there is none.

    Each retrier counts its own retries, as in the States Language. Waits are multiplied by time_scale, as on a laptop
    stack.
    """
    retriers = state.get("Retry", ())
    used = [0] * len(retriers)
    for position, error in enumerate(errors, 1):
        found = _matching(retriers, error)
        if found is None or used[found] >= _maximum(retriers[found]):
            return None
        if position == len(errors):
            retrier = retriers[found]
            seconds = _delay(retrier, used[found]) * time_scale
            return Retry(
                attempt=position + 1,
                allowed=position + _maximum(retrier) - used[found],
                due=failed_at + timedelta(seconds=seconds),
                jitter=retrier.get("JitterStrategy") == "FULL",
            )
        used[found] += 1
    return None


def allowed_attempts(state: Mapping[str, Any]) -> int:
    """Return how many attempts a state has if each fails with an error of its own code."""
    found = _matching(state.get("Retry", ()), "States.TaskFailed")
    return 1 if found is None else 1 + _maximum(state["Retry"][found])


def _matching(retriers: Sequence[Mapping[str, Any]], error: str) -> int | None:
    if error in NEVER_RETRIED:
        return None
    for position, retrier in enumerate(retriers):
        for wanted in retrier["ErrorEquals"]:
            if wanted in (error, "States.ALL") or (wanted == "States.TaskFailed" and error != "States.Timeout"):
                return position
    return None


def _maximum(retrier: Mapping[str, Any]) -> int:
    return int(retrier.get("MaxAttempts", DEFAULT_MAXIMUM_ATTEMPTS))


def _delay(retrier: Mapping[str, Any], used: int) -> float:
    first = float(retrier.get("IntervalSeconds", DEFAULT_INTERVAL_SECONDS))
    try:
        seconds = first * float(retrier.get("BackoffRate", DEFAULT_BACKOFF_RATE)) ** used
    except OverflowError:
        seconds = float("inf")
    return min(seconds, float(retrier.get("MaxDelaySeconds", 31_622_400)))
