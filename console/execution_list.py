"""The list of executions: filtered, paged, with each row taken from the ledger or else from the execution's history."""

import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from console import formatting
from console.executions import PAGE, Executions, Listed
from console.ledger import Ledger
from console.state_machines import machine_of
from provisioning.endings import told
from provisioning.ledger.progress import JobSummary
from provisioning.stage import Ending

PAGE_SIZE = 25
ASKED_AT_ONCE = 60
"""How many inputs one search for a project reads, which is below what AWS allows per second."""

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")


@dataclass(frozen=True)
class Query:
    """What to show. Pages count from 1; a project is found by any part of its id."""

    status: str = ""
    project: str = ""
    machine: str = ""
    """The state machine's name; empty for any."""
    page: int = 1
    most: int = PAGE
    """How many of the newest executions are searched."""


@dataclass(frozen=True)
class Row:
    """One execution in the list."""

    name: str
    machine: str
    job: str
    """The kind of job, in words."""
    status: str
    """The status in Step Functions."""
    started_at: datetime
    stopped_at: datetime | None
    outcome: str = ""
    """The outcome that the ending of its job has; empty while it runs, or if the ledger does not know the job."""
    project_id: str = ""
    stage: str = ""
    percent: int | None = None
    attempts: int | None = None


@dataclass(frozen=True)
class Page:
    """One page of the list."""

    rows: Sequence[Row]
    number: int
    pages: int
    found: int
    """How many executions the query found."""
    listed: int
    """How many were searched."""
    unread: int
    """How many are still to be searched for the requested project: the next search continues with them."""
    older: bool
    """Whether there are executions beyond those that were searched."""


class ExecutionList:
    """Answer queries. Raise ConsoleError if Step Functions cannot be reached."""

    def __init__(self, executions: Executions, ledger: Ledger) -> None:
        self._executions = executions
        self._ledger = ledger
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="execution-list")
        self._lock = threading.Lock()

    def look(self, query: Query) -> Page:
        """Return the requested page, or the last one if there are fewer."""
        listed, older = self._executions.list(query.most, query.machine)
        found = [one for one in listed if query.status in {"", one.status}]
        unread = 0
        if query.project:
            found, unread = self._of_project(found, query.project)
        pages = max(1, math.ceil(len(found) / PAGE_SIZE))
        number = min(max(1, query.page), pages)
        visible = found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        known = self._ledger.summaries([one.name for one in visible])
        rows = list(self._threads.map(lambda one: self._row(one, known.get(one.name)), visible))
        return Page(rows, number, pages, len(found), len(listed), unread, older)

    def _of_project(self, listed: Sequence[Listed], wanted: str) -> tuple[list[Listed], int]:
        known = {
            name: summary.project_id or ""
            for name, summary in self._ledger.summaries([one.name for one in listed]).items()
        }
        with self._lock:
            ask = [
                one.arn for one in listed if one.name not in known and not self._executions.knows_project_id(one.arn)
            ]
            list(self._threads.map(self._executions.project_id, ask[:ASKED_AT_ONCE]))
        unread = set(ask[ASKED_AT_ONCE:])
        found = [
            one
            for one in listed
            if one.arn not in unread
            and wanted.lower() in (known.get(one.name) or self._executions.project_id(one.arn)).lower()
        ]
        return found, len(unread)

    def _row(self, one: Listed, summary: JobSummary | None) -> Row:
        row = Row(
            name=one.name,
            machine=machine_of(one.arn),
            job=formatting.job_words(one.arn),
            status=one.status,
            started_at=one.started_at,
            stopped_at=one.stopped_at,
        )
        if summary is not None:
            # An execution may only have the name of another job.
            has_ended = one.stopped_at is not None and summary.execution_arn == one.arn
            return replace(
                row,
                outcome=str(told(summary.status, one.status)) if has_ended else "",
                project_id=summary.project_id or self._executions.project_id(one.arn),
                stage=summary.stage,
                percent=summary.percent,
                attempts=summary.attempts,
            )
        execution = self._executions.read(one.name, row.machine)
        if execution is None:
            return row
        timeline = execution.timeline
        return replace(
            row,
            project_id=execution.project_id,
            stage=str(Ending.COMPLETED) if one.status == "SUCCEEDED" else timeline.stage,
            percent=execution.percent,
            attempts=timeline.attempts,
        )
