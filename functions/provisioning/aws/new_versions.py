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
"""IAM takes a while to allow the invocation of a function that the deployment has added."""


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
    return "; ".join(wrong) if is_canary and not _is_rolling_back(event["StackId"]) else ""


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
        max_pool_connections=len(functions),
    )
    client = boto3.client("lambda", config=settings)
    with ThreadPoolExecutor(len(functions)) as threads:
        return [wrong for found in threads.map(lambda arn: _probed(client, arn), functions) for wrong in found]


def _probed(client: Any, arn: str) -> list[str]:
    name = arn.split(":")[6]
    try:
        answer = _invoke(client, arn)
        document = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        return [f"{name}: it could not be probed ({type(error).__name__})"]
    if answer.get("FunctionError"):
        return [f"{name}: {document.get('errorType', 'Unknown')}: {document.get('errorMessage', 'no message')}"]
    return [f"{name}: {what}: {why}" for what, why in document["failed"].items()]


def _invoke(client: Any, arn: str) -> Any:
    for pause in PAUSES_SECONDS:
        try:
            return client.invoke(FunctionName=arn, Payload=json.dumps(PROBE))
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise
            time.sleep(pause)
    return client.invoke(FunctionName=arn, Payload=json.dumps(PROBE))


def _is_rolling_back(stack_id: str) -> bool:
    import boto3

    try:
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"]
    except (BotoCoreError, ClientError):
        return False
    return "ROLLBACK" in stack["StackStatus"]
