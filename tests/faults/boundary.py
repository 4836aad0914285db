"""Wraps the I/O boundaries of the handlers: every statement and commit, every HTTP request, every AWS call.

Production code has no line for it. An I/O point is named by the function that runs, and by its number among the I/O
operations of that invocation, so that it is the same point in every run.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from unittest.mock import patch

import psycopg2
import urllib3
from botocore.client import BaseClient
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from typing_extensions import override


@dataclass(frozen=True)
class Point:
    """One I/O operation of one function."""

    function: str
    number: int
    kind: str
    what: str


@dataclass
class Running:
    """The invocation that the current thread handles."""

    function: str
    job_id: str
    invocation: int
    operations: int = 0
    connections: list[Connection] = field(default_factory=list)


Effect = Callable[[], Any]
Intercept = Callable[[Running, Point, Effect], Any]

_current = threading.local()


class Boundary:
    """Calls the intercept for every I/O operation of a handler; it performs the effect, or does not."""

    def __init__(self) -> None:
        self._intercepts: dict[str, Intercept] = {}
        self._invocations: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def intercepting(self, job_id: str, intercept: Intercept) -> Iterator[None]:
        """Sends the I/O of one job's invocations through the intercept."""
        self._intercepts[job_id] = intercept
        try:
            yield
        finally:
            del self._intercepts[job_id]

    @contextmanager
    def installed(self, functions: dict[str, Callable[[Any, Any], Any]], replaced: Any) -> Iterator[None]:
        """Wraps the I/O libraries, and the functions so that each thread knows what it is running."""
        connect = psycopg2.connect
        request = urllib3.PoolManager.request
        api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

        def connect_wrapped(**arguments: Any) -> Connection:
            return self._operate("connect", arguments.get("dbname", ""), lambda: connect(connection_factory=_Connection, **arguments))

        def request_wrapped(pool: Any, method: str, url: str, **arguments: Any) -> Any:
            return self._operate("http", f"{method} {url}", lambda: request(pool, method, url, **arguments))

        def api_call_wrapped(client: Any, operation: str, arguments: Any) -> Any:
            return self._operate("aws", operation, lambda: api_call(client, operation, arguments))

        with ExitStack() as stack:
            stack.enter_context(patch.object(psycopg2, "connect", connect_wrapped))
            stack.enter_context(patch.object(urllib3.PoolManager, "request", request_wrapped))
            stack.enter_context(patch.object(BaseClient, "_make_api_call", api_call_wrapped))
            stack.enter_context(patch.object(_Connection, "operate", self._operate))
            for name, handler in functions.items():
                stack.enter_context(replaced(name, self._tracking(name, handler)))
            yield

    def _tracking(self, name: str, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def handle(event: Any, context: Any) -> Any:
            key = (name, str(event["job_id"]))
            with self._lock:
                self._invocations[key] = self._invocations.get(key, 0) + 1
            _current.running = Running(name, key[1], self._invocations[key])
            try:
                return handler(event, context)
            finally:
                _current.running = None

        return handle

    def _operate(self, kind: str, what: str, effect: Effect) -> Any:
        running: Running | None = getattr(_current, "running", None)
        intercept = self._intercepts.get(running.job_id) if running is not None else None
        if running is None or intercept is None:
            return effect()
        running.operations += 1
        return intercept(running, Point(running.function, running.operations, kind, what), effect)


class _Connection(Connection):
    """A psycopg2 connection whose statements and commits go through the boundary."""

    operate: Callable[[str, str, Effect], Any]

    @override
    def cursor(self, *arguments: Any, **named: Any) -> Any:
        factory = named.pop("cursor_factory", Cursor)
        return super().cursor(*arguments, cursor_factory=_counted(factory), **named)

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            return super().__exit__(kind, error, traceback)
        leave = super().__exit__
        try:
            self.operate("commit", "", lambda: leave(None, None, None))
        except psycopg2.Error:
            if not self.closed:
                self.rollback()
            raise
        return None


_classes: dict[type, type] = {}


def _counted(factory: type) -> type:
    if factory not in _classes:

        def execute(cursor: Any, query: Any, variables: Any = None) -> Any:
            text = query if isinstance(query, str) else query.as_string(cursor)
            what = " ".join(text.split())[:80]
            return cursor.connection.operate("statement", what, lambda: factory.execute(cursor, query, variables))  # type: ignore[attr-defined]

        _classes[factory] = type(f"Counted{factory.__name__}", (factory,), {"execute": execute})
    return _classes[factory]


def running() -> Running | None:
    """Returns the invocation that the current thread handles."""
    return getattr(_current, "running", None)
