"""Print the lists of projects and jobs, as the API lists them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console

from cli.api_client import Api
from cli.output import Note, Rows, say_nothing_found, show
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
    """Print the events after the one with this id, one JSON document a line; on stderr, that there is none."""
    began = after
    while most > 0:
        page = api.get("/v1/events", after=after, limit=min(PAGE_OF_EVENTS, most))
        for event in page["events"]:
            console.print(json.dumps(event), soft_wrap=True)
        after, most = page["after"], most - len(page["events"])
        if not page["events"]:
            if after == began:
                say_nothing_found(f"There is no event after {began}.")
            return


def print_projects(api: Api, console: Console, most: int, *, as_json: bool = False, **filters: str | None) -> None:
    """Print the projects, the newest first, that meet the filters."""
    found, is_cut = api.rows("/v1/projects", "projects", most, **filters)
    rows = Rows(("Project", "Organization", "Region", "Status", "Tenant", "Job"), [_project(one) for one in found])
    notes = _notes(len(found), is_cut, ("project", OF_A_PROJECT))
    show({"projects": found, "is_cut": is_cut}, *([rows] if found else []), notes, as_json=as_json, out=console)


def print_jobs(api: Api, console: Console, most: int, *, as_json: bool = False, **filters: str | None) -> None:
    """Print the jobs, the newest first, that meet the filters."""
    found, is_cut = api.rows("/v1/jobs", "jobs", most, **filters)
    columns = ("Job", "Type", "Project", "Status", "Stage", "Progress", "Created", "Ended")
    rows = Rows(columns, [_job(one) for one in found])
    notes = _notes(len(found), is_cut, ("job", OF_A_JOB))
    show({"jobs": found, "is_cut": is_cut}, *([rows] if found else []), notes, as_json=as_json, out=console)


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


def _notes(count: int, is_cut: bool, kind: tuple[str, str]) -> Note | str:
    thing, hint = kind
    if not count:
        return f"The ledger has no such {thing}."
    older = f"These are the first {count}: --most shows more. " if is_cut else ""
    return Note(typed(f"{older}{hint}"))
