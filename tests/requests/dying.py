"""A process that calls a function and dies by SIGKILL at one of its statements or AWS calls."""

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

import psycopg2
from botocore.client import BaseClient
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from typing_extensions import override

_spawner = get_context("forkserver")
_spawner.set_forkserver_preload(["boto3", "psycopg2", "provisioning.requests.starting", "tests.requests.dying"])


class Operations:
    """The operations of this process, which dies at the chosen one: before its effect, or after it."""

    def __init__(self, chosen: int, *, after: bool) -> None:
        self._chosen = chosen
        self._after = after
        self.count = 0

    def run(self, effect: Callable[[], Any]) -> Any:
        """Run an operation, unless the process dies at it."""
        self.count += 1
        is_last = self.count == self._chosen
        if is_last and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = effect()
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def operations_of(call: Callable[..., object], *arguments: object) -> int:
    """Return how many operations a call has in a process of its own, which it survives."""
    ours, theirs = _spawner.Pipe()
    _run(call, arguments, 0, theirs, after=False)
    return int(ours.recv())


def die_at(number: int, call: Callable[..., object], *arguments: object, after: bool) -> None:
    """Call the function in a process of its own, which dies at that operation."""
    _, theirs = _spawner.Pipe()
    assert _run(call, arguments, number, theirs, after=after) == -signal.SIGKILL


def _run(
    call: Callable[..., object], arguments: tuple[object, ...], number: int, pipe: Any, *, after: bool
) -> int | None:
    given = (dict(os.environ), number, after, call, arguments, pipe)
    process = _spawner.Process(target=_call, args=given, daemon=True)
    process.start()
    process.join()
    return process.exitcode


def _call(
    environment: dict[str, str],
    number: int,
    after: bool,
    call: Callable[..., object],
    arguments: tuple[object, ...],
    pipe: Any,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    operations = Operations(number, after=after)
    connect, api_call = psycopg2.connect, vars(BaseClient)["_make_api_call"]

    class Watched(Cursor):
        @override
        def execute(self, query: Any, variables: Any = None) -> Any:
            execute = super().execute
            return operations.run(lambda: execute(query, variables))

    class Watching(Connection):
        @override
        def cursor(self, *positional: Any, **named: Any) -> Any:
            return super().cursor(*positional, **{"cursor_factory": Watched, **named})

    with (
        patch.object(psycopg2, "connect", lambda **given: connect(connection_factory=Watching, **given)),
        patch.object(
            BaseClient,
            "_make_api_call",
            lambda client, name, given: operations.run(lambda: api_call(client, name, given)),
        ),
    ):
        call(*arguments)
    pipe.send(operations.count)
