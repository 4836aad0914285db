"""What the subcommands share: their options, and how they report an error that the user can fix."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typing_extensions import override

from cli import command_help, completing, given, problems, streams
from local import state
from local.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.deployment import Deployment

StateDirectory = Annotated[
    Path,
    typer.Option(
        "--state-dir",
        envvar="PROVISIONER_STATE_DIR",
        help="Directory of the stack's data.",
        callback=given.remember,
    ),
]
StateMachine = Annotated[
    str | None,
    typer.Option(
        "--state-machine-arn",
        metavar="ARN",
        help="Any state machine of a deployment on AWS, instead of the local stack; uses your own credentials, on a"
        " host in its VPC.",
        callback=given.remember,
    ),
]
PORT_HELP = f"Port of the AWS endpoint, 0 for a free one.  [default: the last one, or {state.DEFAULT_PORT}]"
DEFAULT_STATE = Path(".provisioner")
EndpointUrl = Annotated[
    str | None, typer.Option(help="Of Step Functions.  [default: the running stack's, or AWS's own]")
]
StateMachineArn = Annotated[
    str | None,
    typer.Option(
        help="Any state machine of a deployment, on AWS or at --endpoint-url.  [default: the running stack's]"
    ),
]


Project = Annotated[str, typer.Argument(metavar="PROJECT", autocompletion=completing.projects)]


NAME = "provision"


class OneLineErrors(typer.Typer):
    """Report in one line on stderr what the user can fix, or as JSON, and exit with the code of its class.

    A command that succeeds always prints something.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "add_completion": True})
        self.callback()(_common)

    @override
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given.forget()
        arguments = list(args[0]) if args else sys.argv[1:]
        command = typer.main.get_command(self)
        command_help.make_plain(command)
        with streams.forgiving() as written:
            try:
                code = command.main(arguments, prog_name=NAME, standalone_mode=False, **kwargs)
            except Exception as error:  # noqa: BLE001 (its class decides on the exit code)
                code = problems.report(error, as_json=problems.wants_json(arguments))
            code = code or ExitCode.OK
            if code == ExitCode.OK and not written.are_used:
                print("Done. There is nothing to print.", file=sys.stderr)
        sys.exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        from cli.version import version

        print(version())
        raise typer.Exit


def _common(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def use_deployment(state_directory: Path, state_machine_arn: str | None) -> "Deployment | None":
    """Point this process at a deployment and return it or, without an ARN, at the running stack. Raise HumanError."""
    if state_machine_arn is None:
        from local import daemon

        daemon.connect(state_directory)
        return None
    from cli import deployment as deployments

    deployment = deployments.find(state_machine_arn)
    deployment.use_settings()
    return deployment


def stop_on_terminate() -> None:
    """Let SIGTERM end the process like Ctrl-C, so that a stack is stopped first."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
