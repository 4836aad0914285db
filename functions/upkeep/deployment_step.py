"""Steps of a deployment that CloudFormation has no resource for: migrations, probes, and the stack's own protection.

Each is a custom resource, and fails the deployment when it fails. They run outside the VPC and invoke the function
inside it for the migrations. So the database's network needs no route to CloudFormation's address, and CloudFormation
gets an answer even if a timeout ends the migrations.
"""

import json
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import urllib3

from provisioning.observability import logger

LONGEST_MIGRATION_SECONDS = 310
ANSWER_RETRIES = 5
LONGEST_REASON = 1000


class CustomResourceEvent(TypedDict):
    """What CloudFormation sends. An update has the properties of before it, too."""

    RequestType: str
    ResponseURL: str
    StackId: str
    RequestId: str
    LogicalResourceId: str
    ResourceType: str
    ResourceProperties: dict[str, Any]
    OldResourceProperties: NotRequired[dict[str, Any]]


def deployment_step(event: CustomResourceEvent, context: object) -> None:
    """Lambda handler. Run the step of a custom resource that is created or updated, and answer CloudFormation.

    The answer is FAILED if the step failed or could not be run. Deleting the resource of the migrations changes
    nothing, and deleting that of the protection ends the protection, as far as CloudFormation lets it. Raise urllib3's
    HTTPError if the answer is refused.
    """
    del context
    if event["RequestType"] == "Delete":
        reason = ""
        if event["ResourceType"] == PROTECTION:
            _unprotect(event)
    else:
        reason = STEPS[event["ResourceType"]](event)
    log = logger()
    (log.error if reason else log.info)(event["ResourceType"], request=event["RequestType"], reason=reason)
    _answer(event, reason)


def _migrate(event: CustomResourceEvent) -> str:
    """Return why the migrations failed, or nothing.

    A failure does not stop CloudFormation from undoing a deployment: the old code has nothing to migrate.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    from provisioning.aws import new_versions

    function = event["ResourceProperties"]["MigrateFunction"]
    # No retry: the first invocation may still be running.
    settings = Config(connect_timeout=5, read_timeout=LONGEST_MIGRATION_SECONDS, retries={"total_max_attempts": 1})
    try:
        answer = new_versions.invoke(boto3.client("lambda", config=settings), function, {})
        document = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        reason = f"the migrations could not be run ({type(error).__name__})"
    else:
        if not answer.get("FunctionError"):
            return ""
        reason = f"{document.get('errorType', 'Unknown')}: {document.get('errorMessage', 'no message')}"
    if event["RequestType"] == "Update" and new_versions.is_rolling_back(event["StackId"]):
        logger().warning("the migrations failed while a deployment is undone", reason=reason)
        return ""
    return reason


def _examine(event: CustomResourceEvent) -> str:
    """Return why the new versions must not get traffic, or nothing."""
    from provisioning.aws import new_versions

    return new_versions.examine(event)


def _protect(event: CustomResourceEvent) -> str:
    """Set whether the stack can be deleted, and return why it could not, or nothing.

    CloudFormation also accepts this while the stack is being created or updated (its guide, "Protect CloudFormation
    stacks from being deleted": any status but DELETE_IN_PROGRESS and DELETE_COMPLETE).
    """
    # CloudFormation makes every property of a custom resource a string.
    return _set_protection(event, enabled=event["ResourceProperties"]["Enabled"] == "true")


def _unprotect(event: CustomResourceEvent) -> None:
    """Let the stack be deleted, if CloudFormation accepts that.

    It deletes this resource when a first deployment has failed, whose stack can then only be deleted: its guide,
    "Understand CloudFormation stack creation events", of ROLLBACK_COMPLETE. A stack that is being deleted is not
    protected, and refuses to be told so.
    """
    if reason := _set_protection(event, enabled=False):
        logger().info("the stack's protection is left as it is", reason=reason)


def _set_protection(event: CustomResourceEvent, *, enabled: bool) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("cloudformation").update_termination_protection(
            StackName=event["StackId"], EnableTerminationProtection=enabled
        )
    except (BotoCoreError, ClientError) as error:
        return f"termination protection could not be set ({type(error).__name__})"
    return ""


PROTECTION = "Custom::TerminationProtection"
STEPS: dict[str, Callable[[CustomResourceEvent], str]] = {
    "Custom::ControlPlaneMigration": _migrate,
    "Custom::NewVersions": _examine,
    PROTECTION: _protect,
}
"""The step for each type of resource, which returns why it failed, or nothing."""


def _answer(event: CustomResourceEvent, reason: str) -> None:
    document = {
        "Status": "FAILED" if reason else "SUCCESS",
        "Reason": reason[:LONGEST_REASON],
        "PhysicalResourceId": event["LogicalResourceId"],
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
