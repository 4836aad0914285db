"""Where a handler's time goes: into PostgreSQL, HTTP and AWS calls, at the boundaries where it waits for them."""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
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

CONNECT, STATEMENT, VERIFIER, DATABASE, KEY = "connect", "statement", "verifier", "database", "key derivation"
"""What calls are counted by, beside HTTP's methods and AWS's operations. A statement or a commit is a round trip; what
costs more than that in one is counted again: a login's verifier, and the making of a database."""

HOLDS = {VERIFIER: re.compile(rb"PASSWORD 'SCRAM-SHA-256\$"), DATABASE: re.compile(rb"CREATE DATABASE ")}


@dataclass(frozen=True)
class Request:
    """An HTTP request as it was sent. Its headers hold a service's token, and are left out of its text."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)


@dataclass
class Meter:
    """What was spent since it was made: milliseconds and calls per boundary, and the databases connected to.

    Kinds tells the calls apart, and requests keeps those that read, which can be sent again.
    """

    ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BOUNDARIES, 0.0))
    calls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BOUNDARIES, 0))
    connections: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    requests: list[Request] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def split(self) -> dict[str, float]:
        """Return the milliseconds so far per boundary, and as own Python what is left of the whole."""
        whole = (time.perf_counter() - self.started) * 1000
        return {"total": whole, **self.ms, PYTHON: whole - sum(self.ms.values())}


_meter = Meter()


def start() -> Meter:
    """Start a new meter for this process and returns it. An environment handles one event at a time."""
    global _meter  # noqa: PLW0603 (a process has one)
    _meter = Meter()
    return _meter


def install(secrets_manager: Callable[[Callable[[], Any], str, Any], Any] | None = None) -> None:
    """Put the meter around the libraries' I/O for the rest of this process, which is a bench's own.

    With secrets_manager, it answers, and may ask AWS. Connections that are open already are not measured.
    """
    connect, request = psycopg2.connect, urllib3.PoolManager.request
    api_call, derive = vars(BaseClient)["_make_api_call"], hashlib.pbkdf2_hmac

    def connect_measured(**arguments: Any) -> Any:
        _meter.connections.append(arguments["dbname"])
        _meter.kinds[CONNECT] += 1
        with _measured(POSTGRESQL):
            return connect(connection_factory=_Connection, **arguments)

    def request_measured(pool: Any, method: str, url: str, **arguments: Any) -> Any:
        _meter.kinds[method] += 1
        if method == "GET":
            _meter.requests.append(Request(method, url, dict(arguments.get("headers") or {})))
        with _measured(HTTP):
            return request(pool, method, url, **arguments)

    def api_call_measured(client: Any, operation: str, arguments: Any) -> Any:
        _meter.kinds[operation] += 1
        with _measured(SECRETS_MANAGER):
            if secrets_manager is not None:
                return secrets_manager(lambda: api_call(client, operation, arguments), operation, arguments)
            return api_call(client, operation, arguments)

    def derive_counted(*arguments: Any) -> bytes:
        _meter.kinds[KEY] += 1
        return derive(*arguments)

    hashlib.pbkdf2_hmac = derive_counted  # type: ignore[assignment]
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
        _meter.kinds[STATEMENT] += 1
        with _measured(POSTGRESQL):
            super().__exit__(kind, error, traceback)


_classes: dict[type, type] = {}


def _measuring(factory: Any) -> Any:
    if factory not in _classes:

        def execute(cursor: Any, query: Any, variables: Any = None) -> Any:
            try:
                with _measured(POSTGRESQL):
                    return factory.execute(cursor, query, variables)
            finally:
                _count(cursor.query or b"")

        _classes[factory] = type(f"Measured{factory.__name__}", (factory,), {"execute": execute})
    return _classes[factory]


def _count(sent: bytes) -> None:
    _meter.kinds[STATEMENT] += 1
    for kind, pattern in HOLDS.items():
        _meter.kinds[kind] += len(pattern.findall(sent))


class ForgetfulSecrets:
    """Secrets Manager for tenants that only have to be there: it keeps the two secrets that were created last.

    The laptop's stand-in looks for a secret among all that it has, which AWS's does not: thousands of them would make
    every later job slower, and say nothing about provisioning.
    """

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {}

    def __call__(self, ask: Callable[[], Any], operation: str, arguments: Any) -> Any:
        """Answer for tenants' secrets, and ask the real one for all others."""
        if operation == "CreateSecret":
            name = arguments["Name"]
            newest = list(self._kept.items())[-1:]
            kept = {"Name": name, "ARN": name, "SecretString": arguments["SecretString"]}
            self._kept = dict([*newest, (name, kept)])
            return kept
        if operation == "BatchGetSecretValue" and self._kept.keys() >= set(arguments["SecretIdList"]):
            return {"SecretValues": [self._kept[name] for name in arguments["SecretIdList"]]}
        return self._kept.get(arguments.get("SecretId")) or ask()
