"""How the progress of a job is shown: a live table, plain lines without a terminal, or JSON for a program."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from provisioning import errors
from provisioning.error_types import ErrorType

COLOURS = {"succeeded": "green", "failed": "red", "compensated": "yellow", "running": "cyan"}
BAR_WIDTH = 40
ATTEMPTS = 3
SECONDS_BETWEEN_ATTEMPTS = 300
"""Both as every state machine has them."""

Job = Mapping[str, Any]


class View(Protocol):
    """How progress is shown."""

    def show(self, job: Job) -> None:
        """Show the job as it is now."""


def view(console: Console, time_scale: float, *, as_json: bool) -> "_Live | _Lines | _Json":
    """Return the view that fits the console."""
    if as_json:
        return _Json(console)
    # A dumb terminal cannot move its cursor, and a spinner needs more than ASCII.
    is_live = console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")
    return _Live(console, time_scale) if is_live else _Lines(console, time_scale)


def print_stages(job: Job, console: Console, time_scale: float = 1.0) -> None:
    """Print the job's stages as a table, and below it what went wrong, in lines that are not broken."""
    console.print(stage_table(job, time_scale))
    for error in errors_of(job):
        console.print(error, soft_wrap=True)


def errors_of(job: Job) -> list[Text]:
    """Return what went wrong in each stage, and in the compensations that are tried again."""
    failed = [step for step in job["steps"] if step["status"] in ("failed", "compensated") and step["error_message"]]
    said = [f"{step['stage']}: {step['error_message']}" for step in failed]
    return [Text(one, style="red") for one in [*said, *map(_failure, job["failed_compensations"])]]


def stage_table(job: Job, time_scale: float = 1.0) -> Table:
    """Return the job's stages as a table, and below them the compensations that are tried again."""
    table = Table("Stage", "Status", "Attempt", "Seconds", box=None, pad_edge=False, header_style="dim")
    for step in job["steps"]:
        colour = COLOURS.get(step["status"], "dim")
        state: Text | Spinner = Text(step["status"], style=colour)
        if waiting := next_attempt(job, step, time_scale):
            state = Spinner("dots", text=Text(waiting, style="yellow"))
        elif step["status"] == "running":
            state = Spinner("dots", text=Text(step["status"], style=colour))
        attempt = str(step["attempts"]) if step["attempts"] else ""
        table.add_row(step["stage"], state, attempt, _seconds(step), style="" if step["status"] != "pending" else "dim")
    for _ in job["failed_compensations"]:
        table.add_row("rolling_back", Spinner("dots", text=Text("tried again", style="yellow")))
    return table


def next_attempt(job: Job, step: Job, time_scale: float = 1.0) -> str | None:
    """Return when a stage that has failed is tried again, or None if it is not, as far as the ledger knows."""
    is_over = job["outcome"] is not None or job["stage"] == "rolling_back"
    if is_over or step["status"] != "failed" or step["attempts"] >= ATTEMPTS or step["error_type"] in _permanent():
        return None
    due = _moment(step["completed_at"]) + timedelta(seconds=SECONDS_BETWEEN_ATTEMPTS * time_scale)
    left = max(0, round((due - datetime.now(UTC)).total_seconds()))
    return f"attempt {step['attempts'] + 1} of {ATTEMPTS}, next in {left // 60}:{left % 60:02d}"


class _Live(AbstractContextManager["_Live"]):
    def __init__(self, console: Console, time_scale: float) -> None:
        self._live = Live(console=console, refresh_per_second=10)
        self._time_scale = time_scale

    def show(self, job: Job) -> None:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(100, job["percent"], width=BAR_WIDTH), f"{job['percent']} %", job["stage"])
        self._live.update(Group(bar, stage_table(job, self._time_scale), *errors_of(job)))

    @override
    def __enter__(self) -> "_Live":
        self._live.start(refresh=True)
        return self

    @override
    def __exit__(self, *_: object) -> None:
        self._live.stop()


class _Lines(AbstractContextManager["_Lines"]):
    def __init__(self, console: Console, time_scale: float) -> None:
        self._console = console
        self._time_scale = time_scale
        self._shown: dict[str, tuple[str, int]] = {}
        self._failures: set[tuple[str, str]] = set()

    def show(self, job: Job) -> None:
        for step in job["steps"]:
            now = (step["status"], step["attempts"])
            if step["status"] == "pending" or self._shown.get(step["stage"]) == now:
                continue
            self._shown[step["stage"]] = now
            attempt = f" (attempt {step['attempts']})" if step["attempts"] > 1 else ""
            error = f": {step['error_message']}" if step["status"] != "succeeded" and step["error_message"] else ""
            seconds = f" in {_seconds(step)} s" if step["status"] == "succeeded" else ""
            self._print(job, step["stage"], f"{step['status']}{seconds}{attempt}{error}")
            if waiting := next_attempt(job, step, self._time_scale):
                self._print(job, step["stage"], waiting)
        for failed in job["failed_compensations"]:
            if (once := (",".join(failed["stages"]), failed["failed_at"])) not in self._failures:
                self._failures.add(once)
                self._print(job, "rolling_back", f"failed, and is tried again: {_failure(failed)}")

    def _print(self, job: Job, stage: str, text: str) -> None:
        self._console.print(f"{job['percent']:3d} %  {stage:<20} {text}", soft_wrap=True)

    @override
    def __exit__(self, *_: object) -> None:
        pass


class _Json(AbstractContextManager["_Json"]):
    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = ""

    def show(self, job: Job) -> None:
        line = json.dumps(job)
        if line != self._shown:
            self._shown = line
            self._console.print(line, soft_wrap=True)

    @override
    def __exit__(self, *_: object) -> None:
        pass


def _failure(failed: Job) -> str:
    return f"{', '.join(failed['stages'])}: {failed['error_message']}"


def _seconds(step: Job) -> str:
    if step["started_at"] is None:
        return ""
    ended = _moment(step["completed_at"]) if step["completed_at"] else datetime.now(UTC)
    return f"{(ended - _moment(step['started_at'])).total_seconds():.2f}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _permanent() -> set[str]:
    """Return what the ledger calls the errors that no state machine retries."""
    found, waiting = set(), [errors.ProvisioningError]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.permanent:
            found.add(str(one.error_type))
    return found - {str(ErrorType.UNKNOWN_ERROR)}
