"""The migrations as a step of a deployment: a custom resource of CloudFormation, which fails when they fail.

Runs outside the VPC and has the migrations run by the function that is inside: a database's network needs no way to
the address where CloudFormation waits, and a migration that is killed by its timeout still gets its answer.
"""

import json
from typing import Any, TypedDict

import urllib3

from provisioning.observability import logger

PHYSICAL_ID = "control-plane-schema"
LONGEST_MIGRATION_SECONDS = 310
ANSWER_RETRIES = 5
LONGEST_REASON = 1000


class CustomResourceEvent(TypedDict):
    """What CloudFormation sends."""

    RequestType: str
    ResponseURL: str
    StackId: str
    RequestId: str
    LogicalResourceId: str
    ResourceProperties: dict[str, Any]


def migrate_at_deploy(event: CustomResourceEvent, context: object) -> None:
    """Lambda handler: runs the migrations when the resource is created or updated, and answers CloudFormation.

    The answer is FAILED when they failed or could not be run. Raises urllib3's HTTPError when it is not taken.
    """
    del context
    reason = "" if event["RequestType"] == "Delete" else _migrate(event["ResourceProperties"]["MigrateFunction"])
    log = logger()
    (log.error if reason else log.info)("migrations at deployment", request=event["RequestType"], reason=reason)
    _answer(event, reason)


def _migrate(function: str) -> str:
    """Returns why the migrations failed, or nothing."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Never a second time by itself: the first may still be running.
    settings = Config(connect_timeout=5, read_timeout=LONGEST_MIGRATION_SECONDS, retries={"total_max_attempts": 1})
    try:
        answer = boto3.client("lambda", config=settings).invoke(FunctionName=function, Payload=b"{}")
        document = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        return f"the migrations could not be run ({type(error).__name__})"
    if answer.get("FunctionError"):
        return f"{document.get('errorType', 'Unknown')}: {document.get('errorMessage', 'no message')}"
    return ""


def _answer(event: CustomResourceEvent, reason: str) -> None:
    document = {
        "Status": "FAILED" if reason else "SUCCESS",
        "Reason": reason[:LONGEST_REASON],
        "PhysicalResourceId": PHYSICAL_ID,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    retries = urllib3.Retry(
        ANSWER_RETRIES, backoff_factor=0.5, status_forcelist=(500, 502, 503, 504), allowed_methods=None
    )
    with urllib3.PoolManager(timeout=10, retries=retries) as http:
        # The address is signed for a request without a content type.
        response = http.request("PUT", event["ResponseURL"], body=json.dumps(document), headers={"Content-Type": ""})
    if response.status >= 300:
        raise urllib3.exceptions.HTTPError(f"CloudFormation's address answered {response.status}")
