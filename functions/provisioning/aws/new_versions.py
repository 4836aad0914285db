"""Decide whether a deployment's new versions may get traffic: probe them, and check that no alias was moved by hand.

CloudFormation shifts an alias from what the previous template says, whatever the alias says now: UpdateHandler in
https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions at 3df87f8. So after an
alias was moved back by hand, a canary would give most of the traffic to the version that the alias has left.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from provisioning.needs import PROBE
from provisioning.observability import logger

ALIAS = "live"
LONGEST_PROBE_SECONDS = 60
ATTEMPTS = 3
"""A probe may be repeated, and a busy function refuses one."""

PAUSES_SECONDS = (5.0, 10.0, 15.0)
NOT_YET = {"AccessDeniedException", "ResourceConflictException", "TooManyRequestsException"}
"""IAM takes a while to allow the invocation of a function that the deployment has added, and Lambda to prepare its
version. A busy function, or an account at its quota, refuses a run. None of these has run anything."""

AT_ONCE = 5
"""A new account has a quota of 10 concurrent runs, and this function is one of them."""

BEGIN_WITHIN_SECONDS = 100
"""The last probe to begin may take three attempts of LONGEST_PROBE_SECONDS and all pauses, and Lambda ends this after
330 seconds."""


def examine(event: Mapping[str, Any]) -> str:
    """Return why the new versions that CloudFormation's event is about must not get traffic, or nothing.

    Only a canary is stopped. In a first deployment, in a repair that is deployed all at once, and while CloudFormation
    rolls back, faults are only logged: there the old versions are no better, or have to return.
    """
    properties = event["ResourceProperties"]
    wrong = [*_moved(event.get("OldResourceProperties", {}).get("Versions", [])), *_broken(properties["Functions"])]
    if not wrong:
        return ""
    logger().warning("new versions are not as they should be", wrong=wrong)
    is_canary = event["RequestType"] == "Update" and properties["DeploymentType"] == "CANARY"
    return "; ".join(wrong) if is_canary and not is_rolling_back(event["StackId"]) else ""


def _moved(versions: Sequence[str]) -> Iterator[str]:
    """Yield each state machine whose alias does not lead to the version that the last deployment gave it."""
    import boto3

    if not versions:
        return
    client = boto3.client("stepfunctions")
    for version in versions:
        machine = version.rpartition(":")[0]
        name = machine.rpartition(":")[2]
        try:
            answer = client.describe_state_machine_alias(stateMachineAliasArn=f"{machine}:{ALIAS}")
        except (BotoCoreError, ClientError) as error:
            yield f"{name}: its alias could not be read ({type(error).__name__})"
            continue
        routing = [(one["stateMachineVersionArn"], one["weight"]) for one in answer["routingConfiguration"]]
        if routing != [(version, 100)]:
            yield f"{name}: its alias was moved by hand, deploy with DeploymentType=ALL_AT_ONCE"


def _broken(functions: Sequence[str]) -> list[str]:
    """Return what the probes of the functions' versions have found."""
    import boto3

    settings = Config(
        connect_timeout=5,
        read_timeout=LONGEST_PROBE_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        max_pool_connections=AT_ONCE,
    )
    client, until = boto3.client("lambda", config=settings), time.monotonic() + BEGIN_WITHIN_SECONDS
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [wrong for found in threads.map(lambda arn: _probed(client, arn, until), functions) for wrong in found]


def _probed(client: Any, arn: str, until: float) -> list[str]:
    name = arn.split(":")[6]
    if time.monotonic() > until:
        return [f"{name}: it was not probed, because the others used up the time"]
    try:
        answer = invoke(client, arn, PROBE)
        document = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        return [f"{name}: it could not be probed ({type(error).__name__})"]
    if answer.get("FunctionError"):
        return [f"{name}: {document.get('errorType', 'Unknown')}: {document.get('errorMessage', 'no message')}"]
    return [f"{name}: {what}: {why}" for what, why in document["failed"].items()]


def invoke(client: Any, function: str, event: Mapping[str, Any]) -> Any:
    """Invoke a function once; a refusal that has run nothing is repeated for 30 seconds.

    Raise botocore's errors.
    """
    for pause in PAUSES_SECONDS:
        try:
            return client.invoke(FunctionName=function, Payload=json.dumps(event))
        except ClientError as error:
            if error.response["Error"]["Code"] not in NOT_YET:
                raise
            time.sleep(pause)
    return client.invoke(FunctionName=function, Payload=json.dumps(event))


def is_rolling_back(stack_id: str) -> bool:
    """Return whether CloudFormation is undoing a deployment of the stack; False if it does not say."""
    import boto3

    try:
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"]
    except (BotoCoreError, ClientError):
        return False
    return "ROLLBACK" in stack["StackStatus"]
