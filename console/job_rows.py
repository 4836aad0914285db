"""One line for each job of the ledger: its outcome, the reason, when it started, and when its next attempt comes."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console import formatting
from console.addresses import execution_link
from console.described import Described
from console.errors import ConsoleError
from console.job_view import Sources
from console.retrying import Retry
from console.state_machines import machine_of
from provisioning import endings, listing, overview
from provisioning.control_plane import ControlPlane
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from provisioning.listing import Place
from provisioning.overview import JobRow, Wanted

KEPT_WAITS = 500
WAITING = "waiting_to_retry"


@dataclass(frozen=True)
class Row:
    """One job in a list."""

    job_id: str
    link: str
    project_id: str
    words: str
    """The kind of job."""
    outcome: str
    css_class: str
    reason: str
    """Why it failed or waits, or where it stands."""
    retry: Retry | None
    """The next attempt, of a job that waits for one."""
    created_at: datetime
    ended_at: datetime | None
    place: Place


class JobRows:
    """Read jobs from the ledger, and the next attempt of those that wait from their executions' histories."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.describe = Described(sources.executions.describe)
        """What Step Functions says of an execution, not older than KEPT_SECONDS."""
        self._lock = threading.Lock()
        self._waits: OrderedDict[tuple[str, str | None, int | None, datetime | None], Retry] = OrderedDict()

    def find(self, wanted: Wanted, most: int, after: Place | None = None) -> tuple[Sequence[Row], bool]:
        """Return the wanted jobs, the newest first, and whether there are older ones. Raise ConsoleError."""

        def read(control: ControlPlane) -> tuple[list[JobRow], dict[str, str], dict[str, str]]:
            found = overview.find_jobs(control, most, wanted, after)
            shown = found[:most]
            told = listing.outcomes(control, ((one.job_id, one.status) for one in shown), self.describe)
            # Those that the ledger does not know to have ended have their reasons from their executions.
            lost = [one.job_id for one in shown if told[one.job_id] != one.status and told[one.job_id] == "stopped"]
            reasons = {job: endings.find_told(control, job, self.describe).message or "" for job in lost}
            return found, told, reasons

        found, told, reasons = self._sources.ledger.ask(read)
        rows = [self._row(one, told[one.job_id], reasons.get(one.job_id)) for one in found[:most]]
        return rows, len(found) > most

    def _row(self, one: JobRow, outcome: str, told: str | None) -> Row:
        waits = outcome == "running" and one.waiting_stage is not None
        retry = self._next_attempt(one) if waits else None
        return Row(
            job_id=one.job_id,
            link=self.link(one.job_type, one.job_id),
            project_id=one.project_id or "",
            words=formatting.type_words(JobType(one.job_type)),
            outcome=WAITING if waits else outcome,
            css_class="retrying" if waits else formatting.status_class(outcome),
            reason=told if told is not None else _reason(one, outcome),
            retry=retry,
            created_at=one.created_at,
            ended_at=one.completed_at,
            place=Place(one.created_at, one.job_id),
        )

    def link(self, job_type: str, job_id: str) -> str:
        """Return the address of a job's page."""
        return execution_link(self._machine(job_type), job_id)

    def _machine(self, job_type: str) -> str:
        known = self._sources.executions.state_machine_arn
        if job_type not in DECLARATIONS or len(self._sources.executions.machines) < len(DECLARATIONS):
            return machine_of(known)
        return machine_of(state_machine_of(known, JobType(job_type)))

    def _next_attempt(self, one: JobRow) -> Retry | None:
        """Return the next attempt. A history is read once for each wait."""
        key = (one.job_id, one.waiting_stage, one.waiting_after, one.waiting_since)
        with self._lock:
            if key in self._waits:
                return self._waits[key]
        try:
            execution = self._sources.executions.read(one.job_id, self._machine(one.job_type))
        except ConsoleError:
            return None
        states = execution.timeline.states.values() if execution is not None else ()
        retry = next((run.retry for run in states if run.retry is not None), None)
        if retry is not None and retry.attempt == (one.waiting_after or 0) + 1:
            with self._lock:
                self._waits[key] = retry
                while len(self._waits) > KEPT_WAITS:
                    self._waits.popitem(last=False)
        return retry


def _reason(one: JobRow, outcome: str) -> str:
    if outcome == "succeeded":
        return ""
    if outcome not in endings.UNFINISHED:
        where = f"{formatting.stage_words(one.failed_stage)}: " if one.failed_stage else ""
        return f"{where}{one.last_error_message or ''}"
    if one.waiting_stage is not None:
        return f"{formatting.stage_words(one.waiting_stage)}: {one.waiting_for or 'it failed'}"
    return formatting.stage_words(one.current_stage)
