"""The commands that run a stack on this machine, and look into it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import completing, service_options
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
from cli.output import AsJson, say, show
from cli.terminal import console
from local.repository import EVENTS, TENANT_SCHEMA
from provisioning.stage import Service

SAMPLE_EVENT = EVENTS / "provision_project.json"


def demo(
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies the 300 s between attempts.")] = 1.0,
    *,
    as_json: AsJson = False,
) -> None:
    """Provision the sample project on a temporary stack, suspend it and resume it."""
    from cli import demonstration

    stop_on_terminate()
    succeeded = demonstration.run(SAMPLE_EVENT, time_scale, console(), as_json=as_json)
    raise typer.Exit(0 if succeeded else 1)


def check_schema(
    directory: Annotated[
        Path, typer.Argument(help="With the numbered .sql files.", exists=True, file_okay=False)
    ] = TENANT_SCHEMA,
    *,
    as_json: AsJson = False,
) -> None:
    """Apply the files to a scratch tenant on a temporary stack, and show what a tenant will have, or what is wrong."""
    from cli import schema_check

    stop_on_terminate()
    raise typer.Exit(0 if schema_check.check(directory, console(), as_json=as_json) else 1)


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
    as_json: AsJson = False,
    services: Mapping[Service, Any],
) -> None:
    """Start the stack in the background, on loopback. An external service stays in use at the next start."""
    from cli import outcome_view, service_check
    from local import daemon

    service_check.check(state_dir, services)
    if foreground:
        stop_on_terminate()
        told = {"ready": lambda url: show({"endpoint_url": url}, as_json=True)} if as_json else {}
        daemon.run_until_interrupted(state_dir, port, time_scale, containers=containers, services=services, **told)
    else:
        daemon.start(state_dir, port, time_scale, containers=containers, options=service_options.arguments(services))
        outcome_view.print_how_to_start(daemon.connect(state_dir), SAMPLE_EVENT, console(), as_json=as_json)


def sam_template(state_dir: StateDirectory = DEFAULT_STATE, *, as_json: AsJson = False) -> None:
    """Write the template with which `sam local invoke` runs the built functions against the stack."""
    from cli import outcome_view
    from local import daemon

    template = daemon.write_template_for_containers(state_dir)
    outcome_view.print_how_to_invoke(template, SAMPLE_EVENT, console(), as_json=as_json)


def down(state_dir: StateDirectory = DEFAULT_STATE, *, as_json: AsJson = False) -> None:
    """Stop the stack. Its data is kept for the next start."""
    from local import daemon

    say(daemon.stop(state_dir), as_json=as_json)


def serve_console(  # noqa: PLR0913 (each is an option)
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
    as_json: AsJson = False,
) -> None:
    """Serve the execution view of the running stack, or of a deployment on AWS, as a web page."""
    from cli import connection

    sources, where = connection.sources(state_dir, endpoint_url, state_machine_arn)
    connection.serve(sources, where, host, port, token, read_only=read_only, as_json=as_json)


def history(
    job: Annotated[str, typer.Argument(metavar="JOB", autocompletion=completing.jobs)],
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the attempts of a job, one by one."""
    from cli import connection, history_view

    use_deployment(state_dir, state_machine)
    sources, _ = connection.sources(state_dir, state_machine_arn=state_machine)
    history_view.print_history(job, sources.executions, console(), as_json=as_json)


def register(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (demo, up, down, sam_template, history):
        app.command()(command)
    app.command("console")(serve_console)
