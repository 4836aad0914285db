"""Where a handler's time goes: into PostgreSQL, HTTP and AWS calls, at the boundaries where it waits for them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import psycopg2
import urllib3
from botocore.client import BaseClient
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from typing_extensions import override

POSTGRESQL, HTTP, SECRETS_MANAGER, PYTHON = "PostgreSQL", "HTTP", "Secrets Manager", "own Python"
BOUNDARIES = (POSTGRESQL, HTTP, SECRETS_MANAGER)
ROUND_TRIPS = "round trips"
COUNTS = ROUND_TRIPS, "connections opened", "Secrets Manager calls"


@dataclass
class Meter:
    """What was spent since it was made: milliseconds and calls per boundary, and the connections opened."""

    ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BOUNDARIES, 0.0))
    calls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BOUNDARIES, 0))
    connections: int = 0
    started: float = field(default_factory=time.perf_counter)

    def split(self) -> dict[str, float]:
        """Return the milliseconds so far per boundary, and as own Python what is left of the whole."""
        whole = (time.perf_counter() - self.started) * 1000
        return {"total": whole, **self.ms, PYTHON: whole - sum(self.ms.values())}

    def counts(self) -> dict[str, float]:
        """Return the round trips to PostgreSQL so far, the connections to it, and the calls of Secrets Manager."""
        return dict(zip(COUNTS, (self.calls[POSTGRESQL], self.connections, self.calls[SECRETS_MANAGER]), strict=True))


_meter = Meter()


def start() -> Meter:
    """Start a new meter for this process and return it. An environment handles one event at a time."""
    global _meter  # noqa: PLW0603 (a process has one)
    _meter = Meter()
    return _meter


def install() -> None:
    """Put the meter around the libraries' I/O for the rest of this process, which is a bench's own.

    Connections that are open already are not measured.
    """
    connect, request = psycopg2.connect, urllib3.PoolManager.request
    api_call = vars(BaseClient)["_make_api_call"]

    def connect_measured(**arguments: Any) -> Any:
        _meter.connections += 1
        with _measured(POSTGRESQL):
            return connect(connection_factory=_Connection, **arguments)

    def request_measured(pool: Any, method: str, url: str, **arguments: Any) -> Any:
        with _measured(HTTP):
            return request(pool, method, url, **arguments)

    def api_call_measured(client: Any, operation: str, arguments: Any) -> Any:
        with _measured(SECRETS_MANAGER):
            return api_call(client, operation, arguments)

    psycopg2.connect = connect_measured  # type: ignore[assignment]
    urllib3.PoolManager.request = request_measured  # type: ignore[method-assign,assignment]
    BaseClient._make_api_call = api_call_measured  # type: ignore[attr-defined]  # noqa: SLF001


@contextmanager
def _measured(boundary: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        _meter.ms[boundary] += (time.perf_counter() - started) * 1000
        _meter.calls[boundary] += 1


class _Connection(Connection):
    """A psycopg2 connection whose statements, commits and rollbacks are measured."""

    @override
    def cursor(self, *arguments: Any, **named: Any) -> Any:
        factory = named.pop("cursor_factory", None) or Cursor
        return super().cursor(*arguments, cursor_factory=_measuring(factory), **named)

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _measured(POSTGRESQL):
            super().__exit__(kind, error, traceback)


_classes: dict[type, type] = {}


def _measuring(factory: Any) -> Any:
    if factory not in _classes:

        def execute(cursor: Any, query: Any, variables: Any = None) -> Any:
            with _measured(POSTGRESQL):
                return factory.execute(cursor, query, variables)

        _classes[factory] = type(f"Measured{factory.__name__}", (factory,), {"execute": execute})
    return _classes[factory]
