"""A connection that is lost at any statement or AWS call of a request, before its effect or with its answer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ConnectionClosedError
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from typing_extensions import override

from local.stack import Stack
from provisioning.control_plane import connection
from provisioning.errors import TransientError
from provisioning.requests import starting
from provisioning.requests.refusals import StepFunctionsUnavailable
from tests.requests.sending import creation, jobs_of, new_id, request, requests_of, wait

pytestmark = pytest.mark.slow


class Loss:
    """Loses the connection of one operation of the thread that made this."""

    def __init__(self, chosen: int, *, with_effect: bool) -> None:
        self._chosen = chosen
        self._with_effect = with_effect
        self._thread = threading.get_ident()
        self.count = 0

    def run(self, effect: Callable[[], Any], lose: Callable[[], Exception]) -> Any:
        """Run an operation, or lose its connection."""
        if threading.get_ident() != self._thread:
            return effect()
        self.count += 1
        if self.count != self._chosen:
            return effect()
        if self._with_effect:
            effect()
        raise lose()


@contextmanager
def losing(loss: Loss) -> Iterator[None]:
    """Send the statements of new connections, and AWS calls, through the loss; this thread's connection is new."""
    connect, api_call = psycopg2.connect, vars(BaseClient)["_make_api_call"]

    class Watched(Cursor):
        @override
        def execute(self, query: Any, variables: Any = None) -> Any:
            execute = super().execute

            def lose() -> Exception:
                self.connection.close()
                return psycopg2.OperationalError("server closed the connection unexpectedly")

            return loss.run(lambda: execute(query, variables), lose)

    class Watching(Connection):
        @override
        def cursor(self, *positional: Any, **named: Any) -> Any:
            return super().cursor(*positional, **{"cursor_factory": Watched, **named})

    def call(client: Any, name: str, given: Any) -> Any:
        return loss.run(
            lambda: api_call(client, name, given), lambda: ConnectionClosedError(endpoint_url="https://aws")
        )

    connection.close_kept()
    with (
        patch.object(psycopg2, "connect", lambda **given: connect(connection_factory=Watching, **given)),
        patch.object(BaseClient, "_make_api_call", call),
    ):
        yield
    connection.close_kept()


@pytest.mark.parametrize("with_effect", [False, True], ids=["before its effect", "with its answer"])
def test_a_request_that_lost_a_connection_is_repeated_and_has_one_job(stack: Stack, *, with_effect: bool) -> None:
    with losing(counting := Loss(0, with_effect=with_effect)):
        wait(stack, starting.create_project(request(), creation(new_id())).job_id)
    problems = {}
    refused = 0
    for number in range(1, counting.count + 1):
        project_id, asked = new_id(), request()
        with losing(Loss(number, with_effect=with_effect)):
            try:
                starting.create_project(asked, creation(project_id))
            except (TransientError, StepFunctionsUnavailable):
                refused += 1
        job_id = starting.create_project(asked, creation(project_id)).job_id
        ended, jobs = wait(stack, job_id), [job[0] for job in jobs_of(stack, project_id)]
        if (ended, jobs, len(requests_of(stack, project_id))) != ("SUCCEEDED", [job_id], 1):
            problems[number] = (ended, jobs)
    assert problems == {}
    assert refused > 2
