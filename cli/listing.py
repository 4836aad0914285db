"""List projects and jobs: what the ledger knows, also of a job whose execution Step Functions has forgotten."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from rich.console import Console
from rich.table import Table

from cli.terminal import typed
from console.formatting import date_and_clock, status_word
from provisioning import control_plane, queries

QUERIES = queries.load(__file__)
OF_A_PROJECT = "provision show PROJECT shows one with all that it has, provision jobs --project PROJECT its jobs."
OF_A_JOB = (
    "provision watch JOB shows one with its ending and the next command. This is the ledger: Step Functions may have"
    " forgotten the execution."
)

Row = TypeVar("Row")


class ListedProject(NamedTuple):
    """A project with its live tenant, and the job that last changed its status."""

    project_id: str
    organization_id: str
    region: str
    status: str
    tenant_id: str | None
    job_id: str | None
    job_status: str | None


class ListedJob(NamedTuple):
    """A job; one that was refused has no project if its payload names none."""

    job_id: str
    job_type: str
    project_id: str | None
    status: str
    current_stage: str
    progress_percent: int
    created_at: datetime
    completed_at: datetime | None


def print_projects(console: Console, status: str | None, most: int) -> None:
    """Print the projects, the latest change first; of one status, if given."""
    found = control_plane.connect().fetch_all(ListedProject, QUERIES["find_projects"], status=status, most=most)
    table = _table("Project", "Organization", "Region", "Status", "Tenant", "Job")
    for one in found[:most]:
        job = f"{one.job_id}, {status_word(one.job_status)}" if one.job_id and one.job_status else ""
        table.add_row(one.project_id, one.organization_id, one.region, one.status, one.tenant_id or "", job)
    _print(console, table, found, most, ("project", OF_A_PROJECT))


def print_jobs(console: Console, project_id: str | None, status: str | None, most: int) -> None:
    """Print the jobs, the newest first; of one project or one status, if given."""
    asked = {"project_id": project_id, "status": status, "most": most}
    found = control_plane.connect().fetch_all(ListedJob, QUERIES["find_jobs"], **asked)
    table = _table("Job", "Type", "Project", "Status", "Stage", "Progress", "Created", "Ended")
    for one in found[:most]:
        ended = date_and_clock(one.completed_at)
        table.add_row(
            *(one.job_id, one.job_type, one.project_id or "unknown", status_word(one.status), one.current_stage),
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
