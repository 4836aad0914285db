"""The commands that run a stack on this machine, and look into it."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import service_options
from cli.command_line import (
    DEFAULT_STATE,
    PORT_HELP,
    EndpointUrl,
    StateDirectory,
    StateMachine,
    StateMachineArn,
    stop_on_terminate,
    use_deployment,
)
from cli.terminal import console, typed
from local.repository import EVENTS, TENANT_SCHEMA
from provisioning.stage import Service

if TYPE_CHECKING:
    from cli.api_client import Api

SAMPLE_EVENT = EVENTS / "provision_project.json"
SHOWN_AFTERWARDS = ("provision suspend PROJECT", "provision resume PROJECT")
"""The commands of the jobs that the demo runs once its project is provisioned."""


def demo(
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies the 300 s between attempts.")] = 1.0,
) -> None:
    """Provision the sample project on a temporary stack, suspend it and resume it."""
    from cli import api_target, following, outcome_view, payloads, project_view, projects
    from local.stack import Stack

    out, started = console(), time.monotonic()
    stop_on_terminate()
    with tempfile.TemporaryDirectory(prefix="provisioner-") as directory:
        out.print("Starting PostgreSQL, the registration services and Step Functions ...")
        with Stack(Path(directory), time_scale=time_scale, fsync=False) as stack:
            ready = time.monotonic()
            api = api_target.find(Path(directory), None)
            job_id = projects.start(api, payloads.read(str(SAMPLE_EVENT)), None)
            out.print(f"Job {job_id}", soft_wrap=True)
            job = following.follow(api, job_id, out)
            seconds = time.monotonic() - ready
            following.print_ending(job, out)
            succeeded = job["outcome"] == "succeeded"
            if succeeded:
                project = api.project(job["project_id"])
                project_view.print_project(api, project, out)
                outcome_view.print_tenant_tables(project["tenant"]["tenant_id"], stack.endpoint_url, out)
                succeeded = _suspend_and_resume(api, project["project_id"])
            out.print(
                f"\n{'Provisioned' if succeeded else 'Failed'} in {seconds:.1f} s,"
                f" {time.monotonic() - started:.1f} s with the start of the stack, a suspension and a resumption."
            )
            out.print(typed("For the execution view: provision up, then provision console."), soft_wrap=True)
    raise typer.Exit(0 if succeeded else 1)


def _suspend_and_resume(api: "Api", project_id: str) -> bool:
    """Run both jobs, print how each ended, and return whether both succeeded."""
    from cli import following, jobs
    from cli.api_client import new_key
    from provisioning.jobs.registry import DECLARATIONS

    out, of_commands = console(), {one.command: one for one in DECLARATIONS.values()}
    out.print()
    for declared in (of_commands[command] for command in SHOWN_AFTERWARDS):
        job_id = jobs.start_job(api, declared, {"project_id": project_id}, new_key())
        job: dict[str, Any] = {"outcome": None}
        while job["outcome"] is None:
            job = api.job(job_id, following.WAIT_SECONDS)
        status = api.project(project_id)["status"]
        command = declared.command.replace("PROJECT", project_id)
        out.print(f"{command}: {job['outcome']}, the project is {status}.", soft_wrap=True)
        if job["outcome"] != "succeeded":
            following.print_ending(job, out)
            return False
    return True


def check_schema(
    directory: Annotated[
        Path, typer.Argument(help="With the numbered .sql files.", exists=True, file_okay=False)
    ] = TENANT_SCHEMA,
) -> None:
    """Apply the files to a scratch tenant on a temporary stack, and show what a tenant will have, or what is wrong."""
    from cli import schema_check

    stop_on_terminate()
    raise typer.Exit(0 if schema_check.check(directory, console()) else 1)


@service_options.with_services
def up(
    state_dir: StateDirectory = DEFAULT_STATE,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help=PORT_HELP)] = None,
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies the 300 s between attempts.")] = 1.0,
    *,
    containers: Annotated[
        bool, typer.Option("--containers", help="Make it reachable from Docker's containers.")
    ] = False,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay attached until interrupted.")] = False,
    services: Mapping[Service, Any],
) -> None:
    """Start the stack in the background, on loopback. An external service stays in use at the next start."""
    from cli import outcome_view, service_check
    from local import daemon

    service_check.check(state_dir, services)
    if foreground:
        stop_on_terminate()
        daemon.run_until_interrupted(state_dir, port, time_scale, containers=containers, services=services)
    else:
        daemon.start(state_dir, port, time_scale, containers=containers, options=service_options.arguments(services))
        outcome_view.print_how_to_start(daemon.connect(state_dir), SAMPLE_EVENT, console())


def sam_template(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Write the template with which `sam local invoke` runs the built functions against the stack."""
    from cli import outcome_view
    from local import daemon

    outcome_view.print_how_to_invoke(daemon.write_template_for_containers(state_dir), SAMPLE_EVENT, console())


def down(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Stop the stack. Its data is kept for the next start."""
    from local import daemon

    console().print(daemon.stop(state_dir))


def serve_console(
    state_dir: StateDirectory = DEFAULT_STATE,
    endpoint_url: EndpointUrl = None,
    state_machine_arn: StateMachineArn = None,
    host: Annotated[str, typer.Option(help="An address other than loopback requires a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8084,
    token: Annotated[
        str | None, typer.Option(envvar="PROVISIONER_CONSOLE_TOKEN", help="Generated if not given.")
    ] = None,
    *,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show only: no start, stop or retry.")] = False,
) -> None:
    """Serve the execution view of the running stack, or of a deployment on AWS, as a web page."""
    from cli import connection

    sources, where = connection.sources(state_dir, endpoint_url, state_machine_arn)
    connection.serve(sources, where, host, port, token, read_only=read_only)


def history(job: str, state_dir: StateDirectory = DEFAULT_STATE, state_machine: StateMachine = None) -> None:
    """Show the attempts of a job, one by one."""
    from cli import connection, history_view

    use_deployment(state_dir, state_machine)
    sources, _ = connection.sources(state_dir, state_machine_arn=state_machine)
    history_view.print_history(job, sources.executions, console())


def register(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (demo, up, down, sam_template, history):
        app.command()(command)
    app.command("console")(serve_console)
