"""A deployment in an AWS account, as whoever calls may see it: its state machine, its functions and their settings."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.errors import HumanError
from local.template import REPOSITORY

DEPLOYED_CODE = "/var/task/"


@dataclass(frozen=True)
class Function:
    """A function that the state machine invokes."""

    arn: str
    handler: str
    role: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Deployment:
    """A state machine and what it invokes."""

    state_machine_arn: str
    role: str
    functions: tuple[Function, ...]

    def use_settings(self) -> None:
        """Put the functions' settings into os.environ; the caller's own AWS settings stay."""
        for name, value in self.functions[0].settings.items():
            if not name.startswith(("AWS_", "_")):
                os.environ[name] = value
        root = os.environ.get("DATABASE_SSL_ROOT_CERT", "")
        if root.startswith(DEPLOYED_CODE):
            os.environ["DATABASE_SSL_ROOT_CERT"] = str(REPOSITORY / "functions" / root.removeprefix(DEPLOYED_CODE))


def client(service: str) -> Any:
    """Return a client with the caller's own credentials. Raises HumanError when no region is set."""
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.client(service)  # type: ignore[call-overload]
    except BotoCoreError as error:
        raise HumanError(f"AWS cannot be called: {error}") from error


def without_alias(state_machine_arn: str) -> str:
    """Return the state machine's own ARN for one of its alias or its version."""
    return ":".join(state_machine_arn.split(":")[:7])


def find(state_machine_arn: str) -> Deployment:
    """Return the deployment of a state machine, or of its alias. Raises HumanError when it cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError

    arn = without_alias(state_machine_arn)
    functions = client("lambda")
    try:
        machine = client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        named = dict.fromkeys(_function_names(json.loads(machine["definition"])))
        found = [functions.get_function_configuration(FunctionName=name) for name in named]
    except (BotoCoreError, ClientError) as error:
        raise HumanError(f"{arn} cannot be read: {error}") from error
    return Deployment(
        arn,
        machine["roleArn"],
        tuple(
            Function(name, one["Handler"], one["Role"], one.get("Environment", {}).get("Variables", {}))
            for name, one in zip(named, found, strict=True)
        ),
    )


def _function_names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("FunctionName"), str):
            yield node["FunctionName"]
        for below in node.values():
            yield from _function_names(below)
    elif isinstance(node, list):
        for below in node:
            yield from _function_names(below)
