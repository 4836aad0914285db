"""What the provision command's subcommands have in common: their options, and how they end with a person's mistake."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typing_extensions import override

from local import daemon
from local.errors import HumanError

StateDirectory = Annotated[
    Path, typer.Option("--state-dir", envvar="PROVISIONER_STATE_DIR", help="Where the stack keeps what it makes.")
]
StateMachine = Annotated[
    str | None,
    typer.Option(
        "--state-machine-arn",
        metavar="ARN",
        help="Of a deployment in an AWS account instead of the stack here. Your own credentials are used.",
    ),
]
PORT_HELP = f"Port of the AWS endpoint, 0 for a free one.  [default: the last one, or {daemon.DEFAULT_PORT}]"
DEFAULT_STATE = Path(".provisioner")
EndpointUrl = Annotated[
    str | None, typer.Option(help="Of Step Functions.  [default: the running stack's, or AWS's own]")
]
StateMachineArn = Annotated[
    str | None, typer.Option(help="A state machine on AWS, or at --endpoint-url.  [default: the running stack's]")
]


class OneLineErrors(typer.Typer):
    """Says in one line on stderr what the reader can put right, and ends with exit code 2."""

    @override
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except HumanError as error:
            print(f"provision: {error}", file=sys.stderr)
            sys.exit(2)


def stop_on_terminate() -> None:
    """Lets SIGTERM end the process as Ctrl-C does, so that a stack is stopped first."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
