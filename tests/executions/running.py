"""Run executions to their end, and read what Step Functions reports about them."""

import json
import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from local.lambda_environment import Handler, load_handler
from local.stack import Stack
from local.template import read_template
from provisioning import observability
from provisioning.jobs.payload import DatabaseRequest
from provisioning.stage import Service
from tests.other_server import chosen_version

SERVICES = tuple(str(service) for service in Service)
HANDLERS = {function.resource: function.handler for function in read_template().functions}

Event = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """An execution that has ended."""

    job_id: str
    arn: str
    status: str
    output: Any
    error: str | None
    cause: str
    waits: list[float]
    """The requested seconds between attempts, in order."""


def payload_for(project_id: str, *services: str, **fields: object) -> dict[str, Any]:
    """Return a payload that requests these services on the stack's server, with the given fields."""
    payload: dict[str, Any] = {
        "project_id": project_id,
        "region": "us-east-1",
        "services": {service: service in services for service in SERVICES},
        **fields,
    }
    if chosen_version() != DatabaseRequest().version:
        payload["database"] = {"version": chosen_version()} | payload.get("database", {})
    return payload


def run(stack: Stack, payload: object, job_id: str | None = None) -> Ran:
    """Start an execution and return it when it has ended."""
    return ended(stack, stack.start_execution(payload, job_id or f"job-{uuid.uuid4().hex[:12]}"))


def ended(stack: Stack, arn: str) -> Ran:
    """Wait for the end of an execution and return it."""
    described = stack.wait(arn)
    return Ran(
        job_id=described["name"],
        arn=arn,
        status=described["status"],
        output=json.loads(described["output"]) if "output" in described else None,
        error=described.get("error"),
        cause=described.get("cause", ""),
        waits=stack.clock.seconds(execution=described["name"]),
    )


def history(stack: Stack, arn: str) -> list[Event]:
    """Return every event of an execution, oldest first."""
    pages = stack.client("stepfunctions").get_paginator("get_execution_history")
    return [event for page in pages.paginate(executionArn=arn) for event in page["events"]]


def entered(events: Sequence[Event]) -> list[str]:
    """Return the names of the states that were entered, in order."""
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def position(events: Sequence[Event], kind: str, name: str) -> int:
    """Return where a state was entered or exited."""
    details = f"state{kind}EventDetails"
    (found,) = [place for place, event in enumerate(events) if event.get(details, {}).get("name") == name]
    return found


def invoke(stack: Stack, function: str, event: Any) -> tuple[Any, bool]:
    """Invoke a function as AWS would, and return its answer and whether that is an error."""
    invocation = stack.runtime.invoke(function, json.dumps(event))
    return json.loads(invocation.payload), invocation.failed


def replaced(stack: Stack, function: str, around: Callable[[Handler, Any, Any], Any]) -> AbstractContextManager[None]:
    """Wrap a function's own handler in another, which gets it as an argument."""

    def handler(event: Any, context: Any) -> Any:
        return around(load_handler(HANDLERS[function]), event, context)

    return stack.runtime.replaced(function, handler)


def execute(stack: Stack, statement: str | sql.Composable, dbname: str = "postgres") -> list[tuple[Any, ...]]:
    """Run a statement as superuser and return its rows."""
    with closing(stack.postgres.connect(dbname)) as superuser, superuser.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Return whether the condition became true within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@contextmanager
def seconds_between_attempts(stack: Stack, seconds: float) -> Iterator[None]:
    """Replace the 300 seconds between attempts with this time."""
    scale, stack.clock.scale = stack.clock.scale, seconds / 300
    try:
        yield
    finally:
        stack.clock.scale = scale


def keep_logs(stack: Stack) -> None:
    """Give the stack its handlers' output, although pytest restores its own stdout in every phase of a test.

    A logger that an earlier test made writes to that test's stdout, which may be closed by now.
    """
    assert stack.aws._output is not None
    stack.aws._output.install()
    observability.logger.cache_clear()
    for handler in logging.getLogger("provisioner").handlers:
        if isinstance(handler, logging.StreamHandler):
            # Not setStream(), which flushes the old stream first.
            handler.stream = sys.stdout
