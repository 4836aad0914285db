"""What happened in a job, attempt by attempt: from Step Functions' history or, if that is lost, from the ledger."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from cli.outcome_view import clock_time
from console.executions import Executions
from local.errors import NotFound
from provisioning import control_plane, queries

QUERIES = queries.load(__file__)
Row = tuple[str, str, str, str]
FAILURES = {"TaskFailed": "taskFailedEventDetails", "TaskTimedOut": "taskTimedOutEventDetails"}
ENDS = {
    "ExecutionSucceeded": "executionSucceededEventDetails",
    "ExecutionFailed": "executionFailedEventDetails",
    "ExecutionAborted": "executionAbortedEventDetails",
    "ExecutionTimedOut": "executionTimedOutEventDetails",
}


class _Recorded(NamedTuple):
    recorded_at: datetime
    action: str
    stage: str | None
    details: dict[str, Any]


def print_history(job: str, executions: Executions, console: Console) -> None:
    """Print the job's events. Raise HumanError for a job that neither Step Functions nor the ledger knows."""
    if arn := executions.find(job):
        pages = executions.client.get_paginator("get_execution_history").paginate(executionArn=arn)
        rows = list(condense(event for page in pages for event in page["events"]))
        columns = ("Time", "State", "Event", "Error")
    else:
        rows, columns = _from_audit_log(job), ("Time", "Stage", "Event", "Details")
        if not rows:
            raise NotFound(f"there is no job {job}")
        gone = "Step Functions does not have this execution any more, so this comes from the ledger:"
        console.print(gone, style="dim", soft_wrap=True)
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def condense(events: Iterable[dict[str, Any]]) -> Iterator[Row]:
    """Yield (time, state, event, error) for the events that matter to a person: attempts, outcomes and transitions."""
    states: dict[int, str] = {}
    attempts: Counter[str] = Counter()
    for event in events:
        kind, time = event["type"], clock_time(event["timestamp"])
        entered = event.get("stateEnteredEventDetails")
        state = states[event["id"]] = entered["name"] if entered else states.get(event.get("previousEventId", 0), "")
        if kind == "ExecutionStarted":
            yield time, "", "started", ""
        elif kind == "TaskScheduled":
            attempts[state] += 1
            yield time, state, f"attempt {attempts[state]}", ""
        elif kind == "TaskSucceeded":
            yield time, state, "succeeded", ""
        elif kind in FAILURES:
            yield time, state, "timed out" if kind == "TaskTimedOut" else "failed", _error(event, FAILURES[kind])
        elif kind in ENDS:
            yield time, "", kind.removeprefix("Execution").lower(), _error(event, ENDS[kind])
        elif entered and kind != "TaskStateEntered":
            yield time, state, kind.removesuffix("StateEntered").lower(), ""


def _error(event: dict[str, Any], details: str) -> str:
    found = event.get(details, {})
    cause = found.get("cause", "")
    try:
        cause = json.loads(cause)["errorMessage"]
    except (ValueError, KeyError, TypeError, RecursionError):
        cause = cause.partition("\n")[0]
    return ": ".join(part for part in (found.get("error", ""), cause) if part)


def _from_audit_log(job: str) -> list[Row]:
    events = control_plane.connect().fetch_all(_Recorded, QUERIES["find_events"], job_id=job)
    return [
        (
            clock_time(event.recorded_at),
            event.stage or "",
            event.action,
            ", ".join(f"{name}: {value}" for name, value in event.details.items()),
        )
        for event in events
    ]
