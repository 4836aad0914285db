"""The clock that the interpreter waits on: a test need not wait 300 seconds between attempts."""

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from unittest.mock import patch

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.eval.environment import Environment
from typing_extensions import override


@dataclass(frozen=True)
class Wait:
    """One wait between two attempts, in the seconds that the state machine asked for."""

    execution: str
    state: str
    seconds: float


class Clock:
    """Scale the interpreter's waits between attempts by scale, and its task timeouts by timeout_scale.

    Timeouts keep their real length by default: a scale does not speed up the work that they limit. One clock can be
    installed at a time, for all executions of this process.
    """

    def __init__(self, scale: float = 1.0, *, timeout_scale: float = 1.0) -> None:
        if scale < 0 or timeout_scale <= 0:
            raise ValueError("scale must be at least 0 and timeout_scale above 0")
        self.scale = scale
        self.timeout_scale = timeout_scale
        self.waits: list[Wait] = []
        """Every requested wait, in order."""
        self._current = threading.local()
        self._woken = threading.Condition()
        self._stopped = threading.Event()
        self._waiting: dict[str, list[threading.Event]] = {}
        """For each wait of an execution that has not ended, by the execution's name, what ends it at once."""
        self._patches: ExitStack | None = None

    def seconds(self, *, execution: str | None = None, state: str | None = None) -> list[float]:
        """Return the requested seconds, unscaled, optionally of one execution (its name) or state."""
        return [
            wait.seconds
            for wait in list(self.waits)
            if execution in {None, wait.execution} and state in {None, wait.state}
        ]

    def sleep(self, seconds: float) -> None:
        """Wait seconds * scale and record the request. Return at once when the execution is stopped, as in Step
        Functions, or the clock is uninstalled.
        """
        env: Environment | None = getattr(self._current, "env", None)
        place = _place(env) if env is not None else ("", "")
        self.waits.append(Wait(*place, seconds))
        stopped, skipped = self._stopped, threading.Event()
        with self._woken:
            waiting = self._waiting.setdefault(place[0], [])
            waiting.append(skipped)
            self._woken.wait_for(
                lambda: stopped.is_set() or skipped.is_set() or (env is not None and not env.is_running()),
                seconds * self.scale,
            )
            waiting.remove(skipped)
            if not waiting:
                self._waiting.pop(place[0], None)

    def skip(self, execution: str) -> bool:
        """End the waits of one execution, by its name, and return whether it had any."""
        with self._woken:
            waiting = self._waiting.get(execution, [])
            for one in waiting:
                one.set()
            self._woken.notify_all()
            return bool(waiting)

    def _wake(self) -> None:
        with self._woken:
            self._woken.notify_all()

    def install(self) -> None:
        """Replace the interpreter's own clock with this one. Raise RuntimeError if one is already installed."""
        if vars(retrier_decl)["time"] is not time:
            raise RuntimeError("a clock is installed already")
        clock, evaluate, stop = self, vars(RetrierDecl)["_eval_body"], vars(Environment)["set_stop"]

        class ScaledEvent(threading.Event):
            @override
            def wait(self, timeout: float | None = None) -> bool:
                return super().wait(None if timeout is None else timeout * clock.timeout_scale)

        def evaluate_in_place(retrier: RetrierDecl, env: Environment) -> None:
            clock._current.env = env
            evaluate(retrier, env)

        def stop_and_wake(env: Environment, **why: Any) -> None:
            stop(env, **why)
            clock._wake()

        self._stopped.clear()
        self._patches = ExitStack()
        self._patches.enter_context(patch.object(retrier_decl, "time", SimpleNamespace(sleep=self.sleep)))
        self._patches.enter_context(patch.object(execute_state, "threading", SimpleNamespace(Event=ScaledEvent)))
        self._patches.enter_context(patch.object(RetrierDecl, "_eval_body", evaluate_in_place))
        self._patches.enter_context(patch.object(Environment, "set_stop", stop_and_wake))

    def uninstall(self) -> None:
        """Restore the interpreter's own clock and wake all waits on this one."""
        if self._patches is not None:
            self._patches.close()
            self._patches = None
        self._stopped.set()
        self._wake()

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.uninstall()


def _place(env: Environment) -> tuple[str, str]:
    context = env.states.context_object.context_object_data
    state = context["State"]
    return context["Execution"]["Name"], state["Name"] if state else ""
