"""The kinds of fault, and the intercept that injects one at one point."""

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from tests.faults.boundary import Invocation, Operation, Point

LONGEST_SLEEP_SECONDS = 30.0


class Fault(StrEnum):
    """What happens at a point. All but the last two happen to the first attempt only."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    LOST_BEFORE = "lost before"
    LOST_AFTER = "lost after"
    SLOW = "slow"
    DUPLICATE = "duplicate"
    EVERY_ATTEMPT = "every attempt"
    SLOW_EVERY_ATTEMPT = "slow every attempt"


LASTING = (Fault.EVERY_ATTEMPT, Fault.SLOW_EVERY_ATTEMPT)


class Crash(BaseException):
    """The process that runs the handler dies here."""


class Injection:
    """Inject faults at the chosen points of one job, and wake the sleeping attempts on request."""

    def __init__(self, faults: dict[tuple[str, int], Fault], deliver: Callable[[str, str], Any]) -> None:
        self._faults = faults
        self._deliver = deliver
        self._awake = threading.Event()
        self.seen: list[Point] = []
        self.struck = 0
        self.events: dict[str, str] = {}

    def intercept(self, invocation: Invocation, point: Point, operation: Operation) -> Any:
        """Perform the operation, or the fault instead."""
        self.seen.append(point)
        self.events.setdefault(invocation.function, invocation.event)
        fault = self._faults.get(point.place)
        if fault is None or (invocation.attempt > 1 and fault not in LASTING):
            return operation.perform()
        self.struck += 1
        return self._strike(fault, invocation, operation)

    def wake(self) -> None:
        """Let every sleeping attempt resume."""
        self._awake.set()

    def _strike(self, fault: Fault, invocation: Invocation, operation: Operation) -> Any:
        if fault in (Fault.CRASH_BEFORE, Fault.EVERY_ATTEMPT):
            raise Crash
        if fault is Fault.CRASH_AFTER:
            operation.perform()
            raise Crash
        if fault is Fault.LOST_BEFORE:
            raise operation.lose()
        if fault is Fault.LOST_AFTER:
            operation.perform()
            raise operation.lose()
        if fault is Fault.DUPLICATE:
            self._deliver(invocation.function, invocation.event)
            return operation.perform()
        self._awake.wait(LONGEST_SLEEP_SECONDS)
        return operation.perform()
