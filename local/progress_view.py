"""Follows one execution on the terminal: a live table, or plain lines where nobody looks."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from local.aws_client import make_client
from local.errors import HumanError
from provisioning.progress import Progress, StepProgress, get_progress

POLL_SECONDS = 0.15
COLOURS = {"succeeded": "green", "failed": "red", "compensated": "yellow", "running": "cyan"}


def run_and_follow(endpoint_url: str, state_machine_arn: str, event: Path, console: Console) -> dict[str, Any]:
    """Starts an execution with the event and shows its stages until it ends; returns DescribeExecution's answer.

    Raises HumanError when the event cannot be read or is not JSON.
    """
    payload = read_event(event)
    client = make_client("stepfunctions", endpoint_url)
    execution = client.start_execution(stateMachineArn=state_machine_arn, input=payload)["executionArn"]
    job = execution.rpartition(":")[2]
    console.print(f"Execution {job}", soft_wrap=True)
    view = _Table(console) if console.is_terminal else _Lines(console)
    with view:
        while True:
            described: dict[str, Any] = client.describe_execution(executionArn=execution)
            progress = get_progress(job)
            if progress is not None:
                view.show(progress)
            if described["status"] != "RUNNING":
                return described
            time.sleep(POLL_SECONDS)


def read_event(path: Path) -> str:
    """Returns the text of a JSON file. Raises HumanError that says where it is not JSON."""
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)
    except FileNotFoundError as error:
        raise HumanError(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise HumanError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
    except json.JSONDecodeError as error:
        raise HumanError(f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    return text


def stage_table(progress: Progress) -> Table:
    """Returns the job's stages as a table."""
    table = Table("Stage", "Status", "Attempt", "Seconds", box=None, pad_edge=False, header_style="dim")
    for step in progress.steps:
        colour = COLOURS.get(step.status, "dim")
        state: Text | Spinner = Text(step.status, style=colour)
        if step.status == "running":
            state = Spinner("dots", text=Text(step.status, style=colour))
        attempt = str(step.attempt) if step.attempt else ""
        table.add_row(step.stage, state, attempt, _seconds(step), style="" if step.status != "pending" else "dim")
        if step.status == "failed" and step.error_message:
            table.add_row("", Text(step.error_message, style="red"))
    return table


class _Table:
    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=10)

    def show(self, progress: Progress) -> None:
        self._live.update(stage_table(progress))

    def __enter__(self) -> None:
        self._live.start(refresh=True)

    def __exit__(self, *_: object) -> None:
        self._live.stop()


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, tuple[str, int]] = {}

    def show(self, progress: Progress) -> None:
        for step in progress.steps:
            now = (step.status, step.attempt)
            if step.status != "pending" and self._shown.get(step.stage) != now:
                self._shown[step.stage] = now
                attempt = f" (attempt {step.attempt})" if step.attempt > 1 else ""
                error = f": {step.error_message}" if step.status == "failed" else ""
                seconds = f" in {_seconds(step)} s" if step.status == "succeeded" else ""
                line = f"{progress.percent:3d} %  {step.stage:<20} {step.status}{seconds}{attempt}{error}"
                self._console.print(line, soft_wrap=True)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _seconds(step: StepProgress) -> str:
    if step.started_at is None:
        return ""
    return f"{((step.completed_at or datetime.now(UTC)) - step.started_at).total_seconds():.2f}"
