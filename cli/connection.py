"""The Step Functions that the execution view shows: the running stack's, or an account's."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from cli.output import show
from console.errors import ConsoleError
from console.job_view import Sources
from local import clock_control, daemon, state
from local.aws_client import make_client
from local.errors import HumanError, Unusable

POOL = 16
SERVICES = ("stepfunctions", "logs")


def of_stack(endpoint_url: str, state_machine_arn: str, time_scale: float) -> Sources:
    """Return the sources of a laptop stack; the environment leads to its ledger."""
    clients = [make_client(service, endpoint_url, max_pool_connections=POOL) for service in SERVICES]

    def try_now(execution: str) -> None:
        try:
            clock_control.send(endpoint_url, execution)
        except HumanError as error:
            raise ConsoleError(str(error)) from error

    return replace(Sources.of(clients[0], clients[1], state_machine_arn, time_scale), try_now=try_now)


def sources(
    state_directory: Path, endpoint_url: str | None = None, state_machine_arn: str | None = None
) -> tuple[Sources, str]:
    """Return the sources to show, and a description of their place. With an ARN the user's own AWS settings apply.

    Raise HumanError if no stack runs and no ARN is given.
    """
    if state_machine_arn is None:
        if endpoint_url is not None:
            raise HumanError("--endpoint-url needs --state-machine-arn: the running stack has an endpoint of its own")
        stack = daemon.connect(state_directory)
        scale = float((state.read(state_directory) or {}).get("time_scale", 1.0))
        return of_stack(stack.endpoint_url, stack.state_machine_arn, scale), f"laptop stack at {stack.endpoint_url}"
    parts = state_machine_arn.split(":")
    if len(parts) not in {7, 8} or parts[5] != "stateMachine":
        raise HumanError(f"{state_machine_arn} is not the ARN of a state machine")
    try:
        client, logs = (_client(service, parts[3], endpoint_url) for service in SERVICES)
    except (BotoCoreError, ValueError) as error:
        raise HumanError(str(error)) from error
    where = f"{parts[6]} in {parts[3]}" + (f" at {endpoint_url}" if endpoint_url else f", account {parts[4]}")
    return Sources.of(client, logs, state_machine_arn), where


def serve(
    shown: Sources, where: str, host: str, port: int, token: str | None, *, read_only: bool, as_json: bool = False
) -> None:
    """Serve the page until it is interrupted, and print its address once it can be opened.

    Raise HumanError when Starlette is missing or the port is taken.
    """
    if importlib.util.find_spec("starlette") is None:
        raise Unusable("the console needs Starlette: pip install 'provisioner[console]'")
    from console import guard, server
    from console.setting import Setting

    loopback = host in guard.LOOPBACK
    try:
        server.serve(
            Setting(shown, where, read_only),
            host,
            port,
            None if loopback else token or guard.new_token(),
            lambda address: show({"address": address}, f"The console: {address}", as_json=as_json),
        )
    except ConsoleError as error:
        raise HumanError(str(error)) from error


def _client(service: str, region: str, endpoint_url: str | None) -> Any:
    return boto3.client(
        service, region_name=region, endpoint_url=endpoint_url, config=Config(max_pool_connections=POOL)
    )  # type: ignore[call-overload]
