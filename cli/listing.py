"""Print the lists of projects and jobs."""

import json
from collections.abc import Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from cli.terminal import typed
from console.formatting import date_and_clock, status_word
from provisioning import control_plane
from provisioning.events import events_after
from provisioning.jobs.executions import describe_if_possible
from provisioning.listing import find_jobs, find_projects, outcomes

OF_A_PROJECT = "provision show PROJECT shows one with all that it has, provision jobs --project PROJECT its jobs."
OF_A_JOB = (
    "provision watch JOB shows one with its ending and the next command. This is the ledger: Step Functions may have"
    " forgotten the execution."
)

Row = TypeVar("Row")


def print_events(console: Console, after: int, most: int) -> None:
    """Print the events after the one with this id, one JSON document a line."""
    for event in events_after(control_plane.connect(), after, most):
        console.print(json.dumps(event.as_document()), soft_wrap=True)


def print_projects(console: Console, status: str | None, most: int) -> None:
    """Print the projects, the newest first; of one status, if given."""
    control = control_plane.connect()
    found = find_projects(control, most, status=status)
    table = _table("Project", "Organization", "Region", "Status", "Tenant", "Job")
    told = outcomes(control, ((one.job_id, one.job_status) for one in found[:most]), describe_if_possible)
    for one in found[:most]:
        job = f"{one.job_id}, {status_word(told[one.job_id])}" if one.job_id in told else ""
        table.add_row(one.project_id, one.organization_id, one.region, one.status, one.tenant_id or "", job)
    _print(console, table, found, most, ("project", OF_A_PROJECT))


def print_jobs(console: Console, project_id: str | None, status: str | None, most: int) -> None:
    """Print the jobs, the newest first; of one project or one status, if given."""
    control = control_plane.connect()
    found = find_jobs(control, most, project_id=project_id, status=status)
    table = _table("Job", "Type", "Project", "Status", "Stage", "Progress", "Created", "Ended")
    told = outcomes(control, ((one.job_id, one.status) for one in found[:most]), describe_if_possible)
    for one in found[:most]:
        ended = date_and_clock(one.completed_at)
        table.add_row(
            *(one.job_id, one.job_type, one.project_id or "unknown", status_word(told[one.job_id]), one.current_stage),
            *(f"{one.progress_percent} %", date_and_clock(one.created_at), ended),
        )
    _print(console, table, found, most, ("job", OF_A_JOB))


def _table(*columns: str) -> Table:
    # A cell that is too long continues below, so that an id can be copied whole.
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(console: Console, table: Table, found: Sequence[Row], most: int, kind: tuple[str, str]) -> None:
    thing, hint = kind
    if not found:
        console.print(f"The ledger has no such {thing}.")
        return
    console.print(table)
    older = f"These are the first {most}: --most shows more. " if len(found) > most else ""
    console.print(typed(f"{older}{hint}"), style="dim", soft_wrap=True)
