"""What Step Functions has said of executions, kept for a while: every open list asks about the same ones."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from provisioning.execution import FORGOTTEN, Describe

KEPT_SECONDS = 15.0
"""The longest time that a list calls a job running whose execution has ended without the ledger knowing of it."""
KEPT_ANSWERS = 500


class Described:
    """Ask DescribeExecution, at most once in KEPT_SECONDS about each execution. Safe to use from several threads.

    What the ledger says is not kept: only jobs that it calls unfinished have their executions asked. That an execution
    does not exist, or that nobody answered, is not kept either: the next question may find it.
    """

    def __init__(self, describe: Describe, clock: Callable[[], float] = time.monotonic) -> None:
        self._describe = describe
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Mapping[str, Any]]] = OrderedDict()

    def __call__(self, arn: str) -> Mapping[str, Any] | None:
        """Return DescribeExecution's answer, FORGOTTEN, or None if Step Functions did not answer."""
        with self._lock:
            asked_at, known = self._kept.get(arn, (0.0, None))
        if known is not None and self._clock() - asked_at < KEPT_SECONDS:
            return known
        asked_at, said = self._clock(), self._describe(arn)
        if said is None or said == FORGOTTEN:
            return said
        with self._lock:
            self._kept[arn] = asked_at, {name: said.get(name) for name in ("status", "error", "cause")}
            self._kept.move_to_end(arn)
            while len(self._kept) > KEPT_ANSWERS:
                self._kept.popitem(last=False)
            return self._kept[arn][1]
