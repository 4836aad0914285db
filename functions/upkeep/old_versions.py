"""Remove the versions that deployments have left behind, and nothing that an execution can still run.

A deployment keeps the versions before it (template.yaml, UpdateReplacePolicy). Lambda has 75 GB for the code of a
region, and Step Functions 1,000 versions for a state machine.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from provisioning import configuration
from provisioning.errors import UnexpectedFailure
from provisioning.ledger.runner import Event, LambdaContext, Output
from provisioning.observability import logger

NEWEST = 10
"""The newest versions of a state machine, and of a function, that are kept however old they are, for a way back."""

YOUNG = timedelta(days=30)
"""A deployment takes at most 36 hours, the timeout of CloudFormation's handler of an alias."""

REDRIVABLE = timedelta(days=15)
"""An execution that failed can be redriven for 14 days, with the definition that it began with (API reference,
RedriveExecution); and one more.
"""

FUNCTION_VERSION = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d+:function:([\w-]+):(\d+)")


class Version(NamedTuple):
    """A version of a state machine."""

    arn: str
    created_at: datetime


class Execution(NamedTuple):
    """An execution that runs or can be redriven, and the version that it was started with, if with any."""

    started_at: datetime
    version: str | None


def remove_old_versions(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Return {removed, failed}: versions of state machines and of functions.

    What cannot be removed does not hold up the rest. Raise UnexpectedFailure at the end.
    """
    del event, context
    import boto3

    now = datetime.now(UTC)
    machines, functions = _resources(boto3.client("cloudformation"))
    output: Output = {"removed": [], "failed": {}}
    used = _remove_machines(boto3.client("stepfunctions"), machines, now, output)
    _remove_functions(boto3.client("lambda"), functions, used, now, output)
    log = logger()
    (log.warning if output["failed"] else log.info)("old versions removed", **output)
    if output["failed"]:
        raise UnexpectedFailure(f"{len(output['failed'])} old versions could not be removed")
    return output


def in_use(
    versions: Sequence[Version], routed: Iterable[str], executions: Iterable[Execution], now: datetime
) -> set[str]:
    """Return the versions of a state machine that may still be needed; `versions` begins with the newest.

    An execution that was started without a version runs the definition of its time: that of the newest version then, or
    of the next one if a deployment was in progress.
    """
    kept = {one.arn for number, one in enumerate(versions) if number < NEWEST or now - one.created_at < YOUNG}
    kept |= set(routed)
    for execution in executions:
        if execution.version is not None:
            kept.add(execution.version)
            continue
        before = [number for number, one in enumerate(versions) if one.created_at <= execution.started_at]
        first = before[0] if before else len(versions)
        kept |= {one.arn for one in versions[max(0, first - 1) : first + 1]}
    return kept


def _resources(cloudformation: Any) -> tuple[list[str], list[str]]:
    """Return the ARNs of the stack's state machines, and the names of its functions."""
    found: dict[str, list[str]] = {"AWS::StepFunctions::StateMachine": [], "AWS::Lambda::Function": []}
    pages = cloudformation.get_paginator("list_stack_resources").paginate(
        StackName=configuration.required("STACK_NAME")
    )
    for resource in (one for page in pages for one in page["StackResourceSummaries"]):
        if resource["ResourceType"] in found and "PhysicalResourceId" in resource:
            found[resource["ResourceType"]].append(resource["PhysicalResourceId"])
    machines, functions = found.values()
    return machines, functions


def _remove_machines(client: Any, machines: Sequence[str], now: datetime, output: Output) -> set[tuple[str, str]]:
    """Remove versions of state machines, and return the versions of functions that the others invoke, by name."""
    used: set[tuple[str, str]] = set()
    for machine in machines:
        versions = _versions(client, machine)
        kept = in_use(versions, _routed(client, machine), _executions(client, machine, now), now)
        for version in versions:
            remove = functools.partial(client.delete_state_machine_version, stateMachineVersionArn=version.arn)
            if version.arn in kept or not _removed(output, version.arn, remove):
                definition = client.describe_state_machine(stateMachineArn=version.arn)["definition"]
                used |= set(FUNCTION_VERSION.findall(definition))
        used |= set(FUNCTION_VERSION.findall(client.describe_state_machine(stateMachineArn=machine)["definition"]))
    return used


def _remove_functions(
    client: Any, functions: Sequence[str], used: set[tuple[str, str]], now: datetime, output: Output
) -> None:
    """Remove versions of functions that no state machine and no alias uses; a rollback may need the newest of them."""
    for name in functions:
        kept = _aliased(client, name) | {version for function, version in used if function == name}
        pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        published = [one for page in pages for one in page["Versions"] if one["Version"] != "$LATEST"]
        published.sort(key=lambda one: -int(one["Version"]))
        for one in published[NEWEST:]:
            if one["Version"] not in kept and now - datetime.fromisoformat(one["LastModified"]) >= YOUNG:
                remove = functools.partial(client.delete_function, FunctionName=name, Qualifier=one["Version"])
                _removed(output, f"{name}:{one['Version']}", remove)


def _aliased(client: Any, name: str) -> set[str]:
    pages = client.get_paginator("list_aliases").paginate(FunctionName=name)
    aliases = [one for page in pages for one in page["Aliases"]]
    weighted = {
        version for one in aliases for version in one.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    }
    return weighted | {one["FunctionVersion"] for one in aliases}


def _versions(client: Any, machine: str) -> list[Version]:
    """Return a state machine's versions, the newest first. boto3 has no paginator for them."""
    answers = _pages(client.list_state_machine_versions, machine)
    return [
        Version(one["stateMachineVersionArn"], one["creationDate"])
        for answer in answers
        for one in answer["stateMachineVersions"]
    ]


def _routed(client: Any, machine: str) -> list[str]:
    """Return the versions that an alias leads to."""
    aliases = [
        one for answer in _pages(client.list_state_machine_aliases, machine) for one in answer["stateMachineAliases"]
    ]
    described = (
        client.describe_state_machine_alias(stateMachineAliasArn=one["stateMachineAliasArn"]) for one in aliases
    )
    return [one["stateMachineVersionArn"] for alias in described for one in alias["routingConfiguration"]]


def _executions(client: Any, machine: str, now: datetime) -> list[Execution]:
    """Return the executions that run, or that can be redriven; those that have ended come with the latest first."""
    found: list[Execution] = []
    for status in ("RUNNING", "PENDING_REDRIVE", "FAILED", "TIMED_OUT", "ABORTED"):
        for answer in _pages(client.list_executions, machine, statusFilter=status):
            listed = answer["executions"]
            alive = [one for one in listed if "stopDate" not in one or now - one["stopDate"] < REDRIVABLE]
            found += [Execution(one["startDate"], one.get("stateMachineVersionArn")) for one in alive]
            if len(alive) < len(listed):
                break
    return found


def _pages(operation: Any, machine: str, **more: str) -> Iterable[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        answer = operation(stateMachineArn=machine, **more, **token)
        yield answer
        if "nextToken" not in answer:
            return
        token = {"nextToken": answer["nextToken"]}


def _removed(output: Output, name: str, remove: Callable[[], object]) -> bool:
    """Remove a version, and return whether it is gone. AWS refuses to remove one that an alias leads to."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        remove()
    except (BotoCoreError, ClientError) as error:
        output["failed"][name] = type(error).__name__
        return False
    output["removed"].append(name)
    return True
