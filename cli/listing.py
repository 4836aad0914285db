"""Print the lists of projects and jobs, as the API lists them."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.api_client import Api
from cli.terminal import typed
from console.formatting import date_and_clock, status_word

OF_A_PROJECT = "provision show PROJECT shows one with all that it has, provision jobs PROJECT its jobs."
OF_A_JOB = (
    "provision job JOB shows one with its ending and the next command. This is the ledger: Step Functions may have"
    " forgotten the execution."
)
PAGE_OF_EVENTS = 200

Row = Mapping[str, Any]


def print_events(api: Api, console: Console, after: int, most: int) -> None:
    """Print the events after the one with this id, one JSON document a line."""
    while most > 0:
        page = api.get("/v1/events", after=after, limit=min(PAGE_OF_EVENTS, most))
        for event in page["events"]:
            console.print(json.dumps(event), soft_wrap=True)
        after, most = page["after"], most - len(page["events"])
        if not page["events"]:
            return


def print_projects(api: Api, console: Console, most: int, **filters: str | None) -> None:
    """Print the projects, the newest first, that meet the filters."""
    found, is_cut = api.rows("/v1/projects", "projects", most, **filters)
    columns = ("Project", "Organization", "Region", "Status", "Tenant", "Job")
    _print(console, (columns, _project), found, is_cut, ("project", OF_A_PROJECT))


def print_jobs(api: Api, console: Console, most: int, **filters: str | None) -> None:
    """Print the jobs, the newest first, that meet the filters."""
    found, is_cut = api.rows("/v1/jobs", "jobs", most, **filters)
    columns = ("Job", "Type", "Project", "Status", "Stage", "Progress", "Created", "Ended")
    _print(console, (columns, _job), found, is_cut, ("job", OF_A_JOB))


def moment(text: str | None) -> str:
    """Return a moment of the API in local time; nothing for none."""
    return date_and_clock(datetime.fromisoformat(text)) if text else ""


def _project(one: Row) -> Sequence[str]:
    job = f"{one['job']['job_id']}, {status_word(one['job']['status'])}" if one["job"] else ""
    return one["project_id"], one["organization_id"], one["region"], one["status"], one["tenant_id"] or "", job


def _job(one: Row) -> Sequence[str]:
    return (
        *(one["job_id"], one["job_type"], one["project_id"] or "unknown", status_word(one["status"]), one["stage"]),
        *(f"{one['percent']} %", moment(one["created_at"]), moment(one["completed_at"])),
    )


def _print(
    console: Console,
    columns: tuple[Sequence[str], Callable[[Row], Sequence[str]]],
    found: Sequence[Row],
    is_cut: bool,
    kind: tuple[str, str],
) -> None:
    thing, hint = kind
    if not found:
        console.print(f"The ledger has no such {thing}.")
        return
    # A cell that is too long continues below, so that an id can be copied whole.
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns[0]:
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(*columns[1](one))
    console.print(table)
    older = f"These are the first {len(found)}: --most shows more. " if is_cut else ""
    console.print(typed(f"{older}{hint}"), style="dim", soft_wrap=True)
