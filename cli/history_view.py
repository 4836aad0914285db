"""What happened in a job, attempt by attempt: from Step Functions' history or, if that is lost, from the ledger."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Console

from cli.output import Note, Rows, show
from console.executions import Executions
from local.errors import NotFound
from provisioning import control_plane, queries

QUERIES = queries.load(__file__)
FAILURES = {"TaskFailed": "taskFailedEventDetails", "TaskTimedOut": "taskTimedOutEventDetails"}
ENDS = {
    "ExecutionSucceeded": "executionSucceededEventDetails",
    "ExecutionFailed": "executionFailedEventDetails",
    "ExecutionAborted": "executionAbortedEventDetails",
    "ExecutionTimedOut": "executionTimedOutEventDetails",
}


class Attempt(NamedTuple):
    """An event of a job: an attempt, an outcome or a transition."""

    time: datetime
    state: str
    """In the ledger a stage."""
    event: str
    error: str


class _Recorded(NamedTuple):
    recorded_at: datetime
    action: str
    stage: str | None
    details: dict[str, Any]


def print_history(job: str, executions: Executions, console: Console, *, as_json: bool = False) -> None:
    """Print the job's events. Raise HumanError for a job that neither Step Functions nor the ledger knows."""
    if arn := executions.find(job):
        pages = executions.client.get_paginator("get_execution_history").paginate(executionArn=arn)
        found = list(condense(event for page in pages for event in page["events"]))
        columns, notes = ("Time", "State", "Event", "Error"), []
    else:
        found, columns = _from_audit_log(job), ("Time", "Stage", "Event", "Details")
        if not found:
            raise NotFound(f"there is no job {job}")
        notes = [Note("Step Functions does not have this execution any more, so this comes from the ledger:")]
    rows = Rows(columns, [(clock_time(one.time), *one[1:]) for one in found])
    document = {"job_id": job, "source": "ledger" if notes else "execution", "events": found}
    show(document, *notes, rows, as_json=as_json, out=console)


def clock_time(moment: datetime) -> str:
    """Return the local time of day, to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def condense(events: Iterable[dict[str, Any]]) -> Iterator[Attempt]:
    """Yield the events that matter to a person: attempts, outcomes and transitions."""
    states: dict[int, str] = {}
    attempts: Counter[str] = Counter()
    for event in events:
        kind, time = event["type"], event["timestamp"]
        entered = event.get("stateEnteredEventDetails")
        state = states[event["id"]] = entered["name"] if entered else states.get(event.get("previousEventId", 0), "")
        if kind == "ExecutionStarted":
            yield Attempt(time, "", "started", "")
        elif kind == "TaskScheduled":
            attempts[state] += 1
            yield Attempt(time, state, f"attempt {attempts[state]}", "")
        elif kind == "TaskSucceeded":
            yield Attempt(time, state, "succeeded", "")
        elif kind in FAILURES:
            yield Attempt(
                time, state, "timed out" if kind == "TaskTimedOut" else "failed", _error(event, FAILURES[kind])
            )
        elif kind in ENDS:
            yield Attempt(time, "", kind.removeprefix("Execution").lower(), _error(event, ENDS[kind]))
        elif entered and kind != "TaskStateEntered":
            yield Attempt(time, state, kind.removesuffix("StateEntered").lower(), "")


def _error(event: dict[str, Any], details: str) -> str:
    found = event.get(details, {})
    cause = found.get("cause", "")
    try:
        cause = json.loads(cause)["errorMessage"]
    except (ValueError, KeyError, TypeError, RecursionError):
        cause = cause.partition("\n")[0]
    return ": ".join(part for part in (found.get("error", ""), cause) if part)


def _from_audit_log(job: str) -> list[Attempt]:
    events = control_plane.connect().fetch_all(_Recorded, QUERIES["find_events"], job_id=job)
    return [
        Attempt(
            event.recorded_at,
            event.stage or "",
            event.action,
            ", ".join(f"{name}: {value}" for name, value in event.details.items()),
        )
        for event in events
    ]
