"""The command `provision`."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli import (
    administration,
    connection,
    history_view,
    job_commands,
    operator_commands,
    organization_commands,
    outcome_view,
    progress_view,
    schema_check,
    service_commands,
    service_options,
)
from cli.command_line import (
    DEFAULT_STATE,
    PORT_HELP,
    EndpointUrl,
    OneLineErrors,
    StateDirectory,
    StateMachineArn,
    stop_on_terminate,
)
from cli.terminal import console, typed
from local import daemon
from local.external_services import Given
from local.stack import Stack
from local.template import REPOSITORY
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.stage import Service
from provisioning.tenant import schema_files

SAMPLE_EVENT = REPOSITORY / "events" / "provision_project.json"


app = OneLineErrors(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Provision projects on a stack on this machine, and operate a deployment.",
)
project = typer.Typer(no_args_is_help=True, help="Projects to provision.")
app.add_typer(project, name="project")
tenant_schema = typer.Typer(no_args_is_help=True, help="The platform's own schema for every tenant.")
app.add_typer(tenant_schema, name="schema")
cluster = typer.Typer(no_args_is_help=True, help="PostgreSQL servers for tenants' databases.")
app.add_typer(cluster, name="cluster")
app.add_typer(service_commands.app, name="service")
app.add_typer(organization_commands.app, name="organization")


@app.command()
def demo(
    time_scale: Annotated[float, typer.Option(min=0, help="Multiplies the 300 s between attempts.")] = 1.0,
) -> None:
    """Provision the sample project on a temporary stack."""
    out, started = console(), time.monotonic()
    stop_on_terminate()
    with tempfile.TemporaryDirectory(prefix="provisioner-") as directory:
        out.print("Starting PostgreSQL, the registration services and Step Functions ...")
        with Stack(Path(directory), time_scale=time_scale, fsync=False) as stack:
            ready = time.monotonic()
            sources = connection.of_stack(stack.endpoint_url, stack.state_machine_arn, time_scale)
            payload = progress_view.read_event(SAMPLE_EVENT)
            outcome = progress_view.run_and_follow(sources, PROVISION_PROJECT.job_type, payload, out)
            seconds = time.monotonic() - ready
            succeeded = outcome_view.print_outcome(outcome, out)
            if succeeded:
                outcome_view.print_tenant_tables(outcome, stack.endpoint_url, out)
            out.print(
                f"\n{'Provisioned' if succeeded else 'Failed'} in {seconds:.1f} s,"
                f" {time.monotonic() - started:.1f} s with the start of the stack."
            )
    raise typer.Exit(0 if succeeded else 1)


@tenant_schema.command("check")
def check_schema(
    directory: Annotated[
        Path, typer.Argument(help="With the numbered .sql files.", exists=True, file_okay=False)
    ] = schema_files.DIRECTORY,
) -> None:
    """Apply the files to a scratch tenant on a temporary stack, and show what a tenant will have, or what is wrong."""
    stop_on_terminate()
    raise typer.Exit(0 if schema_check.check(directory, console()) else 1)


@app.command()
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
    services: Mapping[Service, Given],
) -> None:
    """Start the stack in the background, on loopback. An external service stays in use at the next start."""
    service_commands.check(state_dir, services)
    if foreground:
        stop_on_terminate()
        daemon.run_until_interrupted(state_dir, port, time_scale, containers=containers, services=services)
    else:
        daemon.start(state_dir, port, time_scale, containers=containers, options=service_options.arguments(services))
        outcome_view.print_how_to_start(daemon.connect(state_dir), SAMPLE_EVENT, console())


@app.command()
def sam_template(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Write the template with which `sam local invoke` runs the built functions against the stack."""
    outcome_view.print_how_to_invoke(daemon.write_template_for_containers(state_dir), SAMPLE_EVENT, console())


@app.command()
def down(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Stop the stack. Its data is kept for the next start."""
    console().print(daemon.stop(state_dir))


@app.command()
def status(job: str, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Show a job's progress."""
    sources, _ = connection.sources(state_dir)
    administration.print_status(job, console(), sources.executions.describe)


@app.command()
def watch(
    job: str,
    state_dir: StateDirectory = DEFAULT_STATE,
    endpoint_url: EndpointUrl = None,
    state_machine_arn: StateMachineArn = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line and change.")] = False,
) -> None:
    """Follow a job to its end. Exit code 0: it succeeded; 1: it did not; 3: no such job exists."""
    sources, _ = connection.sources(state_dir, endpoint_url, state_machine_arn)
    out = console()
    progress = progress_view.follow(sources, job, out, as_json=as_json)
    ending = sources.ending(job)
    if ending is not None and not as_json:
        out.print(typed(ending.text), soft_wrap=True)
    raise typer.Exit(0 if "succeeded" in (progress.status, ending and ending.outcome) else 1)


@app.command("console")
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
    sources, where = connection.sources(state_dir, endpoint_url, state_machine_arn)
    connection.serve(sources, where, host, port, token, read_only=read_only)


@app.command()
def history(job: str, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Show the attempts of a job, one by one."""
    stack = daemon.connect(state_dir)
    history_view.print_history(job, stack.endpoint_url, stack.state_machine_arn, console())


job_commands.register(app)
for command in operator_commands.COMMANDS:
    app.command()(command)
project.command("add")(operator_commands.add_project)
cluster.command("add")(operator_commands.add_cluster)


if __name__ == "__main__":
    app()
