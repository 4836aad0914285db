from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import urllib3

from local.stack import Stack
from tests.upkeep.cloudformation import STACK_ID, Waiting, waiting
from upkeep.deployment_step import CustomResourceEvent, deployment_step


@pytest.fixture
def cloudformation() -> Iterator[Waiting]:
    with waiting() as server:
        yield server


@pytest.fixture
def failing(stack: Stack) -> Iterator[Callable[..., None]]:
    """Have the migrations end with an error."""
    undo: list[Any] = []

    def fail(error: Exception) -> None:
        def migrate(event: object, context: object) -> None:
            raise error

        undo.append(stack.runtime.replaced("MigrateFunction", migrate))
        undo[-1].__enter__()

    yield fail
    for one in undo:
        one.__exit__(None, None, None)


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_cloudformation_hears_that_the_migrations_have_run(
    stack: Stack, cloudformation: Waiting, request_type: str
) -> None:
    deployment_step(cloudformation.event(request_type), None)
    (answer,) = cloudformation.answers
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "ControlPlaneMigration",
        "StackId": STACK_ID,
        "RequestId": "request-1",
        "LogicalResourceId": "ControlPlaneMigration",
    }


def test_the_answer_has_no_content_type_because_its_signature_has_none(stack: Stack, cloudformation: Waiting) -> None:
    deployment_step(cloudformation.event("Create"), None)
    assert cloudformation.content_types == [""]


def test_a_failed_migration_fails_the_deployment_and_says_why(
    stack: Stack, cloudformation: Waiting, failing: Callable[..., None]
) -> None:
    failing(RuntimeError("0002_more: relation exists"))
    deployment_step(cloudformation.event("Update"), None)
    (answer,) = cloudformation.answers
    assert (answer["Status"], answer["Reason"]) == ("FAILED", "RuntimeError: 0002_more: relation exists")


@pytest.mark.parametrize(
    ("stack_status", "expected"), [("UPDATE_ROLLBACK_IN_PROGRESS", "SUCCESS"), ("UPDATE_IN_PROGRESS", "FAILED")]
)
def test_a_failed_migration_does_not_hold_a_deployment_up_that_is_undone(
    stack: Stack, api: Waiting, failing: Callable[..., None], stack_status: str, expected: str
) -> None:
    api.stack_status = stack_status
    failing(RuntimeError("the database cannot be reached"))
    deployment_step(api.event("Update"), None)
    (answer,) = api.answers
    assert answer["Status"] == expected


def test_a_migration_that_cannot_be_invoked_fails_the_deployment(stack: Stack, cloudformation: Waiting) -> None:
    deployment_step(cloudformation.event("Create", "NoSuchFunction"), None)
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("the migrations could not be run (")


def test_deleting_the_stack_does_not_touch_the_schema(
    stack: Stack, cloudformation: Waiting, failing: Callable[..., None]
) -> None:
    failing(RuntimeError("must not be invoked"))
    deployment_step(cloudformation.event("Delete"), None)
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


def test_a_busy_cloudformation_is_asked_again(stack: Stack, cloudformation: Waiting) -> None:
    cloudformation.statuses = [503, 500]
    deployment_step(cloudformation.event("Create"), None)
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


def test_an_answer_that_is_not_taken_is_an_error(stack: Stack, cloudformation: Waiting) -> None:
    cloudformation.statuses = [403]
    with pytest.raises(urllib3.exceptions.HTTPError, match="answered 403"):
        deployment_step(cloudformation.event("Create"), None)


def protection(server: Waiting, request: str, enabled: str) -> CustomResourceEvent:
    """The event of the resource that protects the stack."""
    resource = {"LogicalResourceId": "StackProtection", "ResourceType": "Custom::TerminationProtection"}
    return cast(
        "CustomResourceEvent", {**server.event(request), **resource, "ResourceProperties": {"Enabled": enabled}}
    )


@pytest.fixture
def api(cloudformation: Waiting, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """The server also serves as CloudFormation's API: moto has no UpdateTerminationProtection."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", cloudformation.url)
    return cloudformation


@pytest.mark.parametrize("request_type", ["Create", "Update"])
@pytest.mark.parametrize("enabled", ["true", "false"])
@pytest.mark.usefixtures("stack")
def test_a_deployment_sets_the_protection_of_its_own_stack(api: Waiting, request_type: str, enabled: str) -> None:
    deployment_step(protection(api, request_type, enabled), None)
    (asked,) = api.asked
    assert asked["Action"] == ["UpdateTerminationProtection"]
    assert (asked["StackName"], asked["EnableTerminationProtection"]) == ([STACK_ID], [enabled])
    (answer,) = api.answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "StackProtection")


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_first_deployment_that_fails_takes_the_protection_back(api: Waiting, enabled: str) -> None:
    deployment_step(protection(api, "Delete", enabled), None)
    assert [asked["EnableTerminationProtection"] for asked in api.asked] == [["false"]]
    assert [answer["Status"] for answer in api.answers] == ["SUCCESS"]


@pytest.mark.usefixtures("stack")
def test_a_stack_that_is_being_deleted_need_not_give_its_protection_up(api: Waiting) -> None:
    """UpdateTerminationProtection accepts any status but DELETE_IN_PROGRESS and DELETE_COMPLETE.

    CloudFormation's guide, "Protect CloudFormation stacks from being deleted".
    """
    api.refuses = True
    deployment_step(protection(api, "Delete", "false"), None)
    assert [answer["Status"] for answer in api.answers] == ["SUCCESS"]


@pytest.mark.usefixtures("stack")
def test_a_stack_that_cannot_be_protected_fails_its_deployment(api: Waiting) -> None:
    api.refuses = True
    deployment_step(protection(api, "Create", "true"), None)
    (answer,) = api.answers
    assert (answer["Status"], answer["Reason"]) == (
        "FAILED",
        "termination protection could not be set (ClientError)",
    )
