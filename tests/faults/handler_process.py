"""A separate process that runs the handlers, so that it can be killed as the operating system kills one."""

import itertools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from local.lambda_environment import load_handler
from local.lambda_runtime import LambdaRuntime
from local.template import Function
from tests.faults.faults import Crash

THREADS = 4
_spawner = get_context("forkserver")
_spawner.set_forkserver_preload(
    ["boto3", "psycopg2", "stages.project", "stages.database", "stages.activation", "stages.failure"]
)


class HandlerProcess:
    """Run handlers in a child process, which is started when needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._process: Any = None
        self._pipe: Connection | None = None

    def kill(self) -> bool:
        """End the process with SIGKILL, whatever it is doing. Return whether it was running."""
        with self._lock:
            if self._process is None or not self._process.is_alive():
                return False
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()
            return True

    def handle(self, path: str, event: Any, context: Any) -> Any:
        """Run one event in the process. Raise Crash if the process dies during it, or what the handler raised."""
        answer = self._send(path, event, context.get_remaining_time_in_millis()).result()
        if answer.get("died"):
            raise Crash
        if "error" in answer:
            raise type(answer["error"], (Exception,), {})(answer["message"])
        return answer["output"]

    def _send(self, path: str, event: Any, milliseconds: int) -> "Future[dict[str, Any]]":
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._start()
            number = next(self._numbers)
            self._waiting[number] = answer
            try:
                assert self._pipe is not None
                self._pipe.send((number, path, json.dumps(event), milliseconds))
            except OSError:
                self._waiting.pop(number).set_result({"died": True})
        return answer

    def _start(self) -> None:
        self._pipe, theirs = _spawner.Pipe()
        self._waiting = {}
        self._process = _spawner.Process(target=_serve, args=(theirs, dict(os.environ)), daemon=True)
        self._process.start()
        theirs.close()
        threading.Thread(target=self._listen, args=(self._pipe, self._waiting), daemon=True).start()

    def _listen(self, pipe: Connection, waiting: "dict[int, Future[dict[str, Any]]]") -> None:
        try:
            while True:
                number, answer = pipe.recv()
                waiting.pop(number).set_result(answer)
        except (EOFError, OSError):
            # The lock keeps a sender from adding events to a process that has no listener any more.
            with self._lock:
                while waiting:
                    waiting.popitem()[1].set_result({"died": True})


@contextmanager
def serving(
    runtime: LambdaRuntime, functions: tuple[Function, ...], process_of: Callable[[str], HandlerProcess]
) -> Iterator[None]:
    """Send the events of all stages to the process of their job."""

    def forward(path: str) -> Callable[[Any, Any], Any]:
        return lambda event, context: process_of(event["job_id"]).handle(path, event, context)

    stages = [function for function in functions if function.handler.startswith("stages.")]

    with ExitStack() as stack:
        for function in stages:
            stack.enter_context(runtime.replaced(function.resource, forward(function.handler)))
        yield


class _Context:
    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    # Lambda would collect what a handler prints (its metrics); here nobody reads it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    sending = threading.Lock()

    def run(number: int, path: str, event: str, milliseconds: int) -> None:
        try:
            answer = {"output": load_handler(path)(json.loads(event), _Context(milliseconds))}
        except Exception as error:  # noqa: BLE001 every error of a handler goes back to its caller
            answer = {"error": type(error).__name__, "message": str(error)}
        with sending:
            pipe.send((number, answer))

    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            pool.submit(run, *pipe.recv())
