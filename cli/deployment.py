"""A deployment in an AWS account, as far as the caller may see it: state machines, functions and their settings."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.errors import HumanError
from local.template import REPOSITORY
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS, state_machine_of

DEPLOYED_CODE = "/var/task/"


@dataclass(frozen=True)
class Function:
    """A function of the deployment."""

    arn: str
    handler: str
    role: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class StateMachine:
    """The state machine of a job type."""

    job_type: JobType
    role: str
    definition: Mapping[str, Any]


@dataclass(frozen=True)
class Deployment:
    """The state machines of all job types, and what they invoke."""

    state_machine_arn: str
    """The one by which the deployment was found."""
    machines: tuple[StateMachine, ...]
    functions: tuple[Function, ...]

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the deployment's stack; none if the caller may not describe it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            stacks = client("cloudformation").describe_stacks(StackName=self.functions[0].settings["STACK_NAME"])
        except (BotoCoreError, ClientError, KeyError):
            return {}
        return {one["ParameterKey"]: one["ParameterValue"] for one in stacks["Stacks"][0].get("Parameters", [])}

    def find_function(self, name: str) -> Function:
        """Return a function that no state machine invokes, by its name in template.yaml.

        Raise botocore's errors, and LookupError if the stack is unknown.
        """
        stack = self.functions[0].settings["STACK_NAME"]
        found = client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=name)
        return _function(client("lambda"), found["StackResourceDetail"]["PhysicalResourceId"])

    def use_settings(self) -> None:
        """Put the functions' settings into os.environ; the caller's own AWS settings stay."""
        for name, value in self.functions[0].settings.items():
            if not name.startswith(("AWS_", "_")):
                os.environ[name] = value
        root = os.environ.get("DATABASE_SSL_ROOT_CERT", "")
        if root.startswith(DEPLOYED_CODE):
            os.environ["DATABASE_SSL_ROOT_CERT"] = str(REPOSITORY / "functions" / root.removeprefix(DEPLOYED_CODE))


def client(service: str) -> Any:
    """Return a client with the caller's own credentials. Raise HumanError when no region is set."""
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.client(service)  # type: ignore[call-overload]
    except BotoCoreError as error:
        raise HumanError(f"AWS cannot be called: {error}") from error


def without_alias(state_machine_arn: str) -> str:
    """Return the state machine's own ARN, given that of its alias or version."""
    return ":".join(state_machine_arn.split(":")[:7])


def find(state_machine_arn: str) -> Deployment:
    """Return the deployment that a state machine, or an alias of one, belongs to.

    The other job types' state machines are found from its name. Raise HumanError if one cannot be read.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    arn = without_alias(state_machine_arn)
    functions, step_functions = client("lambda"), client("stepfunctions")
    try:
        arns = {job_type: state_machine_of(arn, job_type) for job_type in DECLARATIONS}
    except LookupError as error:
        raise HumanError(str(error)) from error
    try:
        machines = [_state_machine(step_functions, job_type, arn) for job_type, arn in arns.items()]
        named = dict.fromkeys(name for machine in machines for name in _function_names(machine.definition))
        found = tuple(_function(functions, name) for name in named)
    except (BotoCoreError, ClientError) as error:
        raise HumanError(f"the deployment of {arn} cannot be read: {error}") from error
    return Deployment(arn, tuple(machines), found)


def _function(functions: Any, name: str) -> Function:
    found = functions.get_function_configuration(FunctionName=name)
    return Function(name, found["Handler"], found["Role"], found.get("Environment", {}).get("Variables", {}))


def _state_machine(step_functions: Any, job_type: JobType, arn: str) -> StateMachine:
    described = step_functions.describe_state_machine(stateMachineArn=arn)
    return StateMachine(job_type, described["roleArn"], json.loads(described["definition"]))


def _function_names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("FunctionName"), str):
            yield node["FunctionName"]
        for below in node.values():
            yield from _function_names(below)
    elif isinstance(node, list):
        for below in node:
            yield from _function_names(below)
