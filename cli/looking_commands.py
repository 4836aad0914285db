"""The commands that look into a job beside its stages: its log lines, and its page in the execution view."""

from typing import Annotated

import typer

from cli import completing
from cli.api_client import Api
from cli.api_target import with_api
from cli.output import AsJson, Note, Shown
from cli.output import show as show_data

Name = Annotated[str, typer.Argument(metavar="JOB", help="Or its project.", autocompletion=completing.jobs)]


@with_api
def logs(
    name: Name,
    *,
    log_group: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a deployment, if it is not named after its stack.")
    ] = None,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """Print the log lines of a job, the oldest first, without secrets."""
    from cli import job_logs, names

    job = names.job_of(api, name).job
    lines = job_logs.read(api, job, log_group)
    shown: list[Shown] = [line.text for line in lines]
    shown = shown or [Note(f"CloudWatch Logs has no line of {job['job_id']} yet, or any more.")]
    show_data({"job_id": job["job_id"], "lines": lines}, *shown, as_json=as_json)


@with_api
def open_view(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PROJECT|JOB]", help="Without one, all executions.", autocompletion=completing.jobs),
    ] = None,
    *,
    console: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="PROVISIONER_CONSOLE", help="Of the console.  [default: this machine's]"),
    ] = None,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """Print the address of a job, or of a project's latest, in the execution view, and open it in your browser.

    `provision console` serves the view: this starts nothing.
    """
    from cli import execution_view, names

    job_id = names.job_of(api, name).job["job_id"] if name is not None else None
    address = execution_view.address_of(console or execution_view.DEFAULT, job_id)
    show_data({"job_id": job_id, "address": address}, address, as_json=as_json)
    if not as_json:
        execution_view.show(address)


def register(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(logs)
    app.command("open")(open_view)
