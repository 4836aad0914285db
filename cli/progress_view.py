"""Follow one execution on the terminal: a live table, plain lines without a terminal, or JSON for a program."""

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from cli import start_errors
from console import formatting
from console.errors import ConsoleError
from console.job_view import JobView, Sources
from console.retrying import Retry
from console.stage_progress import failures_beside_stages, next_attempts, stage_progress
from console.state_machines import machine_of
from local.errors import HumanError, NotFound
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import StepFunctions, get_job_handler
from provisioning.ledger.progress import Progress, StepProgress

POLL_SECONDS = 0.15
COLOURS = {"succeeded": "green", "failed": "red", "compensated": "yellow", "running": "cyan"}
BAR_WIDTH = 40

Retries = Mapping[str, Retry]
NO_HISTORY = "Step Functions does not have this execution any more, so this is what the ledger knows of it:"


@dataclass(frozen=True)
class Moment:
    """A job as it is now."""

    progress: Progress
    retries: Retries = field(default_factory=dict)
    """The next attempts, by the stage or the state."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """How a compensation that is tried again has failed, by its state."""
    has_ended: bool = True
    has_history: bool = True


class View(Protocol):
    """How progress is shown."""

    def show(self, moment: Moment, ending: str | None) -> None:
        """Show the job as it is now, with its ending if it has one."""


def run_and_follow(sources: Sources, job_type: JobType, payload: Any, console: Console) -> dict[str, Any]:
    """Start a job and show its stages until its execution ends.

    Return DescribeExecution's answer, with the job's ending as its cause.

    Raise HumanError if it cannot be started.
    """
    executions = sources.executions
    with start_errors.translated(executions.state_machine_arn):
        place = StepFunctions(executions.client, executions.state_machine_arn)
        job = get_job_handler(job_type)(payload, at=place)
    console.print(f"Execution {job.job_id}", soft_wrap=True)
    follow(sources, job.job_id, console, machine=machine_of(job.execution_arn))
    described: dict[str, Any] = executions.client.describe_execution(executionArn=job.execution_arn)
    ending = sources.ending(job.job_id)
    return described if ending is None else described | {"cause": ending.text}


def follow(sources: Sources, job: str, console: Console, *, as_json: bool = False, machine: str = "") -> Progress:
    """Show a job's stages until its execution ends, and return them as they are then.

    Without its state machine's name, follow the first one that has an execution of that name.

    Raise HumanError for a job that neither Step Functions nor the ledger knows, and if AWS cannot be reached.
    """
    view = _Json(console) if as_json else _Live(console) if console.is_terminal else _Lines(console)
    with view:
        while True:
            moment = _look(sources, job, machine)
            ending = sources.ending(job) if moment.has_ended else None
            view.show(moment, ending.text if ending is not None else None)
            if moment.has_ended:
                return moment.progress
            time.sleep(POLL_SECONDS)


def _look(sources: Sources, job: str, machine: str) -> Moment:
    try:
        shown: JobView | None = sources.read(job, machine)
    except ConsoleError as error:
        raise HumanError(str(error)) from error
    if shown is not None:
        return Moment(stage_progress(shown), next_attempts(shown), failures_beside_stages(shown), shown.ended)
    # A laptop's executions end with its stack, but their jobs stay in the ledger.
    remembered = sources.remembered(job)
    if remembered is None or remembered[0].progress is None:
        raise NotFound(f"there is no job {job}")
    return Moment(remembered[0].progress, has_history=False)


def read_event(path: Path) -> Any:
    """Return the document in a JSON file. Raise HumanError, saying where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HumanError(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise HumanError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
    except json.JSONDecodeError as error:
        raise HumanError(f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise HumanError(
            f"{path} cannot be read: it is nested too deeply, or has a number with too many digits"
        ) from error


def stage_table(progress: Progress, retries: Retries | None = None, failures: Mapping[str, str] | None = None) -> Table:
    """Return the job's stages as a table, with the time until the next attempt of those that wait for one, and below
    them the compensations that do.
    """
    table = Table("Stage", "Status", "Attempt", "Seconds", box=None, pad_edge=False, header_style="dim")
    for step in progress.steps:
        colour = COLOURS.get(step.status, "dim")
        state: Text | Spinner = Text(step.status, style=colour)
        retry = (retries or {}).get(step.stage)
        if retry is not None:
            state = Spinner("dots", text=Text(formatting.next_attempt(retry, datetime.now(UTC)), style="yellow"))
        elif step.status == "running":
            state = Spinner("dots", text=Text(step.status, style=colour))
        attempt = str(step.attempt) if step.attempt else ""
        table.add_row(step.stage, state, attempt, _seconds(step), style="" if step.status != "pending" else "dim")
        if step.status in ("failed", "compensated") and step.error_message:
            table.add_row("", Text(step.error_message, style="red"))
    for place, failure in (failures or {}).items():
        waiting = formatting.next_attempt((retries or {})[place], datetime.now(UTC))
        table.add_row(place, Spinner("dots", text=Text(waiting, style="yellow")))
        table.add_row("", Text(failure, style="red"))
    return table


class _Live(AbstractContextManager["_Live"]):
    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=10)

    def show(self, moment: Moment, ending: str | None) -> None:
        del ending
        progress = moment.progress
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(100, progress.percent, width=BAR_WIDTH), f"{progress.percent} %", progress.stage)
        note = [] if moment.has_history else [Text(NO_HISTORY, style="dim")]
        self._live.update(Group(*note, bar, stage_table(progress, moment.retries, moment.failures)))

    @override
    def __enter__(self) -> "_Live":
        self._live.start(refresh=True)
        return self

    @override
    def __exit__(self, *_: object) -> None:
        self._live.stop()


class _Lines(AbstractContextManager["_Lines"]):
    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, tuple[str, int]] = {}
        self._announced: set[tuple[str, int]] = set()

    def show(self, moment: Moment, ending: str | None) -> None:
        del ending
        progress = moment.progress
        if not moment.has_history:
            self._console.print(NO_HISTORY, soft_wrap=True)
        for step in progress.steps:
            now = (step.status, step.attempt)
            if step.status != "pending" and self._shown.get(step.stage) != now:
                self._shown[step.stage] = now
                attempt = f" (attempt {step.attempt})" if step.attempt > 1 else ""
                error = f": {step.error_message}" if step.status != "succeeded" and step.error_message else ""
                seconds = f" in {_seconds(step)} s" if step.status == "succeeded" else ""
                self._print(progress, step.stage, f"{step.status}{seconds}{attempt}{error}")
        for place, retry in moment.retries.items():
            if (place, retry.attempt) not in self._announced:
                self._announced.add((place, retry.attempt))
                if place in moment.failures:
                    self._print(progress, place, f"failed: {moment.failures[place]}")
                self._print(progress, place, formatting.next_attempt(retry, datetime.now(UTC)))

    def _print(self, progress: Progress, stage: str, text: str) -> None:
        self._console.print(f"{progress.percent:3d} %  {stage:<20} {text}", soft_wrap=True)

    @override
    def __exit__(self, *_: object) -> None:
        pass


class _Json(AbstractContextManager["_Json"]):
    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = ""

    def show(self, moment: Moment, ending: str | None) -> None:
        document = moment.progress._asdict() | {
            "steps": [step._asdict() for step in moment.progress.steps],
            "retries": {place: asdict(retry) for place, retry in moment.retries.items()},
            "ending": ending,
        }
        line = json.dumps(document, default=datetime.isoformat)
        if line != self._shown:
            self._shown = line
            self._console.print(line, soft_wrap=True)

    @override
    def __exit__(self, *_: object) -> None:
        pass


def _seconds(step: StepProgress) -> str:
    if step.started_at is None:
        return ""
    return f"{((step.completed_at or datetime.now(UTC)) - step.started_at).total_seconds():.2f}"
