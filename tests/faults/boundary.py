"""Wrap the I/O boundaries of the handlers: every statement and commit, every HTTP request, every AWS call.

Production code has no line for it. An I/O point is named by the function that runs and by its number among the I/O
operations of that invocation. A job's first invocation of a function starts cold, so that its points are the same in
every run.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast
from unittest.mock import patch

import psycopg2
import urllib3
from botocore.client import BaseClient
from botocore.exceptions import ConnectionClosedError
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from typing_extensions import override
from urllib3.exceptions import ProtocolError

from local.lambda_environment import load_handler
from local.lambda_runtime import LambdaRuntime
from local.template import Function
from provisioning.cluster import session
from provisioning.control_plane import connection
from provisioning.services import client as service_client


@dataclass(frozen=True)
class Point:
    """One I/O operation of one function."""

    function: str
    number: int
    what: str
    database: str = ""
    """The database that it goes to; empty for what is not PostgreSQL."""

    @property
    def place(self) -> tuple[str, int]:
        """Its name in every run. A statement is not part of it, because it may contain a name that differs between
        runs.
        """
        return self.function, self.number


@dataclass
class Invocation:
    """What the current thread is running."""

    function: str
    event: str
    job_id: str
    attempt: int
    operations: int = 0


class Operation:
    """An I/O operation that is about to happen."""

    def __init__(self, what: str, effect: Callable[[], Any], lose: Callable[[], Exception]) -> None:
        self.what = what
        self.perform = effect
        self.lose = lose
        """Break the connection that the operation goes over, and return the error its caller then sees."""


Intercept = Callable[[Invocation, Point, Operation], Any]

_current = threading.local()


class Boundary:
    """Pass every I/O operation of a watched job's handlers to an intercept, which may perform it."""

    def __init__(self) -> None:
        self._intercepts: dict[str, Intercept] = {}
        self._attempts: dict[tuple[str, str], int] = {}
        self._active: dict[str, int] = {}
        self._lock = threading.Condition()

    def wait_until_quiet(self, job_id: str, seconds: float) -> bool:
        """Return whether every handler of the job, zombies included, has ended within the time."""
        with self._lock:
            return self._lock.wait_for(lambda: self._active.get(job_id, 0) == 0, seconds)

    @contextmanager
    def watching(self, job_id: str, intercept: Intercept) -> Iterator[None]:
        """Send the I/O of one job through the intercept."""
        self._intercepts[job_id] = intercept
        try:
            yield
        finally:
            del self._intercepts[job_id]

    @contextmanager
    def installed(self, runtime: LambdaRuntime, functions: tuple[Function, ...]) -> Iterator[None]:
        """Wrap the I/O libraries, and the handlers, so that each thread knows what it is running."""
        connect, request = psycopg2.connect, urllib3.PoolManager.request
        api_call = vars(BaseClient)["_make_api_call"]

        def connect_watched(**arguments: Any) -> Any:
            return self._operate(
                f"connect to {'tenant' if arguments['dbname'].startswith('tenant_') else arguments['dbname']}",
                lambda: connect(connection_factory=_Connection, **arguments),
                lambda: psycopg2.OperationalError("could not connect"),
                arguments["dbname"],
            )

        def request_watched(pool: Any, method: str, url: str, **arguments: Any) -> Any:
            return self._operate(
                f"{method} {url.split('/')[3]}",
                lambda: request(pool, method, url, **arguments),
                lambda: ProtocolError("Connection aborted."),
            )

        def api_call_watched(client: Any, operation: str, arguments: Any) -> Any:
            return self._operate(
                operation,
                lambda: api_call(client, operation, arguments),
                lambda: ConnectionClosedError(endpoint_url="https://aws"),
            )

        with ExitStack() as stack:
            stack.enter_context(patch.object(psycopg2, "connect", connect_watched))
            stack.enter_context(patch.object(urllib3.PoolManager, "request", request_watched))
            stack.enter_context(patch.object(BaseClient, "_make_api_call", api_call_watched))
            stack.enter_context(patch.object(_Connection, "operate", staticmethod(self._operate), create=True))
            for function in functions:
                stack.enter_context(runtime.replaced(function.resource, self._tracked(function)))
            yield

    def _tracked(self, function: Function) -> Callable[[Any, Any], Any]:
        def handle(event: Any, context: Any) -> Any:
            job_id = str(event.get("job_id", ""))
            attempt = self._enter(function.resource, job_id)
            if attempt == 1 and job_id in self._intercepts:
                _start_cold()
            _current.invocation = Invocation(function.resource, json.dumps(event), job_id, attempt)
            try:
                return load_handler(function.handler)(event, context)
            finally:
                _current.invocation = None
                self._leave(job_id)

        return handle

    def _enter(self, function: str, job_id: str) -> int:
        with self._lock:
            self._active[job_id] = self._active.get(job_id, 0) + 1
            self._attempts[function, job_id] = self._attempts.get((function, job_id), 0) + 1
            return self._attempts[function, job_id]

    def _leave(self, job_id: str) -> None:
        with self._lock:
            self._active[job_id] -= 1
            self._lock.notify_all()

    def _operate(self, what: str, effect: Callable[[], Any], lose: Callable[[], Exception], database: str = "") -> Any:
        invocation = cast("Invocation | None", getattr(_current, "invocation", None))
        intercept = self._intercepts.get(invocation.job_id) if invocation is not None else None
        if invocation is None or intercept is None:
            return effect()
        invocation.operations += 1
        point = Point(invocation.function, invocation.operations, what, database)
        return intercept(invocation, point, Operation(what, effect, lose))


def _start_cold() -> None:
    for module in (connection, session, service_client):
        vars(module)["_environment"].__dict__.clear()


class _Connection(Connection):
    """A psycopg2 connection whose statements and commits are operations."""

    @override
    def cursor(self, *arguments: Any, **named: Any) -> Any:
        factory = named.pop("cursor_factory", None) or Cursor
        return super().cursor(*arguments, cursor_factory=_watched(factory), **named)

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave = super().__exit__
        if kind is not None:
            leave(kind, error, traceback)
        else:
            _operate_on(self, "commit", lambda: leave(None, None, None))


def _operate_on(connection: Connection, what: str, effect: Callable[[], Any]) -> Any:
    def lose() -> Exception:
        connection.close()
        return psycopg2.OperationalError("server closed the connection unexpectedly")

    # A warm environment keeps its connection after the watch has ended.
    operate = vars(_Connection).get("operate")
    return operate.__func__(what, effect, lose, connection.info.dbname) if operate is not None else effect()


_classes: dict[type, type] = {}


def _watched(factory: Any) -> Any:
    if factory not in _classes:

        def execute(cursor: Any, query: Any, variables: Any = None) -> Any:
            text = query if isinstance(query, str) else query.as_string(cursor)
            lines = [line for line in text.split("\n") if line and not line.startswith("--")]
            return _operate_on(
                cursor.connection,
                " ".join(" ".join(lines).split())[:70],
                lambda: factory.execute(cursor, query, variables),
            )

        _classes[factory] = type(f"Watched{factory.__name__}", (factory,), {"execute": execute})
    return _classes[factory]
