"""The command that erases the dumps of a project before their time."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import completing
from cli.command_line import DEFAULT_STATE, Project, StateDirectory, StateMachine, use_deployment
from cli.output import AsJson, Note, Rows
from cli.output import show as show_data
from local.errors import NotFound

if TYPE_CHECKING:
    from cli.erasing import Export


def erase(
    project: Project,
    job: Annotated[
        str | None,
        typer.Option("--job", metavar="JOB", help="Erase the export of this job only.", autocompletion=completing.jobs),
    ] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Erase what is listed without it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a project's exports before their time, with every version, and record it. There is no way back."""
    from cli import erasing
    from provisioning.aws import objects

    client = _clients(state_dir, state_machine)
    found = [one for one in erasing.find(project) if job in (None, one.job_id)]
    if not found:
        raise NotFound(f"{job} is no export of the project {project}")
    if not yes:
        note = Note("Nothing was erased. With --yes these exports are erased; there is no way back.")
        show_data({"exports": found}, _listed(found), note, as_json=as_json)
        return
    caller = client("sts").get_caller_identity()["Arn"]
    done = list(erasing.erase(client("s3"), objects.bucket(), found, caller))
    rows = [(one.job_id, one.versions) for one in done]
    show_data({"erased": done}, Rows(("Job", "Versions erased"), rows), as_json=as_json)


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(erase)


def _clients(state_directory: Path, state_machine: str | None) -> Callable[[str], Any]:
    """Return what makes a client of AWS with the caller's own rights, or one of the running stack."""
    if state_machine is not None:
        from cli import deployment as deployments

        use_deployment(state_directory, state_machine)
        return deployments.client
    from local.aws_client import make_client
    from local.daemon import connect

    return functools.partial(make_client, endpoint_url=connect(state_directory).endpoint_url)


def _listed(found: "list[Export]") -> Rows:
    rows = [(one.job_id, one.completed_at, one.bytes, one.erased_at) for one in found]
    return Rows(("Job", "Completed", "Bytes", "Erased"), rows)
