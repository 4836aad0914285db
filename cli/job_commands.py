"""The commands that start and end jobs: run, suspend, resume, stop, retry and rollback. Each follows what it starts."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import connection, outcome_view, progress_view
from cli import deployment as deployments
from cli.command_line import DEFAULT_STATE, Project, StateDirectory, StateMachine, use_deployment
from cli.rollback import print_outcome, print_rollback
from cli.terminal import console, typed
from console.job_view import Sources
from local import daemon
from local.aws_client import make_client
from local.errors import HumanError, NotFound
from provisioning import control_plane, lookup
from provisioning.jobs import executions
from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS, StepFunctions
from provisioning.jobs.rules import read_schema
from provisioning.requests import changing


def run(
    event: Annotated[Path, typer.Argument(help="JSON file.")],
    job_type: Annotated[
        str, typer.Option(metavar="TYPE", help=f"One of {', '.join(DECLARATIONS)}.")
    ] = PROVISION_PROJECT.job_type,
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Start a job with the payload in the file and follow it to its end."""
    if job_type not in DECLARATIONS:
        raise HumanError(f"there is no job type {job_type}: it is one of {', '.join(DECLARATIONS)}")
    _run(_sources(state_dir, None), JobType(job_type), progress_view.read_event(event))


def retry(job: str, state_dir: StateDirectory = DEFAULT_STATE, state_machine: StateMachine = None) -> None:
    """Start a failed job again, replacing it if something of it is left, and follow the new job to its end."""
    sources = _sources(state_dir, state_machine)
    _run(sources, *changing.find_retried(job, _place(sources)))


def stop(
    job: str,
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    rolls_back: Annotated[bool, typer.Option("--rollback/--no-rollback", help="Roll it back afterwards.")] = True,
) -> None:
    """Stop a running job and roll it back.

    Exit code 0: nothing is left of it, or no rollback was asked for; 1: something is.
    """
    place, out = _place(_sources(state_dir, state_machine)), console()
    stopped = changing.stop_job(job, rolls_back=rolls_back, at=place)
    if stopped.rollback is None:
        out.print(typed(f"Stopped. Next: provision rollback {shlex.quote(job)}."), soft_wrap=True)
        return
    arn = executions.arn_of(stopped.job_type, stopped.rollback, place)
    raise typer.Exit(0 if print_outcome(place.client, arn, out) else 1)


def rollback(job: str, state_dir: StateDirectory = DEFAULT_STATE, state_machine: StateMachine = None) -> None:
    """Roll a job back after its execution was stopped or its rollback was incomplete.

    Exit code 0: nothing is left of it; 1: something is, or the job is running or has succeeded.
    """
    use_deployment(state_dir, state_machine)
    known = lookup.find_job(control_plane.connect(), job)
    if state_machine is not None:
        client, arn = deployments.client("stepfunctions"), state_machine
    elif known is None:
        raise NotFound(f"there is no job {job}")
    else:
        stack = daemon.connect(state_dir)
        client, arn = make_client("stepfunctions", stack.endpoint_url), stack.state_machine_arn
    clean = print_rollback(client, arn, job, console(), known.job_type if known is not None else None)
    raise typer.Exit(0 if clean else 1)


def command_of(declared: Declaration) -> Callable[..., None]:
    """Return the command that starts a job of a type whose payload needs only its project."""

    def start(
        project_id: Project, state_dir: StateDirectory = DEFAULT_STATE, state_machine: StateMachine = None
    ) -> None:
        _run(_sources(state_dir, state_machine), declared.job_type, {"project_id": project_id})

    return start


def needs_its_project_only(declared: Declaration) -> bool:
    """Return whether a project's id is a complete payload."""
    required: list[str] = read_schema(declared.schema)["required"]
    return required == ["project_id"]


def register(app: typer.Typer) -> None:
    """Register the commands; a job type that needs only its project has a command, named in its declaration."""
    for command in (run, stop, retry, rollback):
        app.command()(command)
    for declared in filter(needs_its_project_only, DECLARATIONS.values()):
        app.command(declared.command.split()[1], help=f"{declared.summary} Follows the job to its end.")(
            command_of(declared)
        )


def _sources(state_directory: Path, state_machine_arn: str | None) -> Sources:
    if state_machine_arn is not None:
        use_deployment(state_directory, state_machine_arn)
    return connection.sources(state_directory, state_machine_arn=state_machine_arn)[0]


def _place(sources: Sources) -> StepFunctions:
    return StepFunctions(sources.executions.client, sources.executions.state_machine_arn)


def _run(sources: Sources, job_type: JobType, payload: Any) -> None:
    out = console()
    outcome = progress_view.run_and_follow(sources, job_type, payload, out)
    if not outcome_view.print_outcome(outcome, out):
        raise typer.Exit(1)
