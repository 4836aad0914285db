"""What keeps a new version from traffic, as CloudFormation hears it from the deployment step."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from local.stack import Stack
from provisioning.aws import new_versions
from provisioning.needs import PROBE
from tests.executions.running import HANDLERS
from tests.upkeep.cloudformation import STACK_ID, Waiting, waiting
from upkeep.deployment_step import CustomResourceEvent, deployment_step

STAGES = [name for name, path in HANDLERS.items() if path.startswith("stages.")]


@pytest.fixture
def cloudformation(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    with waiting() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", server.url)
        yield server


@pytest.fixture
def versions(stack: Stack) -> Iterator[list[str]]:
    """Two versions of a state machine, of which its alias has the first."""
    client = stack.client("stepfunctions")
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/local"
    made = client.create_state_machine(name="probed", definition=definition, roleArn=role, publish=True)
    arn, first = made["stateMachineArn"], made["stateMachineVersionArn"]
    changed = definition.replace('"A"', '"B"')
    second = client.update_state_machine(stateMachineArn=arn, definition=changed, publish=True)
    route(stack, first, create=True)
    yield [first, second["stateMachineVersionArn"]]
    client.delete_state_machine(stateMachineArn=arn)


def route(stack: Stack, version: str, *, create: bool = False) -> None:
    client, routing = stack.client("stepfunctions"), [{"stateMachineVersionArn": version, "weight": 100}]
    if create:
        client.create_state_machine_alias(name="live", routingConfiguration=routing)
    else:
        alias = f"{version.rpartition(':')[0]}:live"
        client.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=routing)


def event(
    server: Waiting, versions: list[str], request: str = "Update", kind: str = "CANARY", functions: list[str] = STAGES
) -> CustomResourceEvent:
    """The event of a deployment that gives the alias the second version in the place of the first."""
    arns = [f"arn:aws:lambda:us-east-1:123456789012:function:{name}" for name in functions]
    properties = {"DeploymentType": kind, "Versions": versions[1:], "Functions": arns}
    resource = {"LogicalResourceId": "NewVersions", "ResourceType": "Custom::NewVersions"}
    before = {"OldResourceProperties": {**properties, "Versions": versions[:1]}} if request == "Update" else {}
    return cast(
        "CustomResourceEvent", {**server.event(request), **resource, "ResourceProperties": properties, **before}
    )


def answer(server: Waiting, sent: CustomResourceEvent) -> tuple[str, str]:
    deployment_step(sent, None)
    (found,) = server.answers
    return found["Status"], found["Reason"]


def test_versions_that_can_work_get_traffic(cloudformation: Waiting, versions: list[str]) -> None:
    assert answer(cloudformation, event(cloudformation, versions)) == ("SUCCESS", "")


def refuse(event: Any, context: Any) -> dict[str, Any]:
    assert event == PROBE
    return {"failed": {"service auth": "it does not answer"}}


def die(event: Any, context: Any) -> None:
    raise ModuleNotFoundError("No module named 'psycopg2'")


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (refuse, "FinalizeFunction: service auth: it does not answer"),
        (die, "FinalizeFunction: ModuleNotFoundError: No module named 'psycopg2'"),
    ],
)
def test_a_version_that_cannot_work_gets_none_and_is_named(
    stack: Stack, cloudformation: Waiting, versions: list[str], handler: Any, reason: str
) -> None:
    with stack.runtime.replaced("FinalizeFunction", handler):
        assert answer(cloudformation, event(cloudformation, versions)) == ("FAILED", reason)


def test_a_function_that_is_not_there_is_named(cloudformation: Waiting, versions: list[str]) -> None:
    sent = event(cloudformation, versions, functions=["NoFunction"])
    status, reason = answer(cloudformation, sent)
    assert status == "FAILED"
    assert reason == "NoFunction: it could not be probed (ResourceNotFoundException)"


def test_no_canary_begins_from_an_alias_that_was_moved_by_hand(
    stack: Stack, cloudformation: Waiting, versions: list[str]
) -> None:
    """It would give most of the traffic to the version of the last template, not to the alias's."""
    route(stack, versions[1])
    status, reason = answer(cloudformation, event(cloudformation, versions))
    assert status == "FAILED"
    assert reason == "probed: its alias was moved by hand, deploy with DeploymentType=ALL_AT_ONCE"


@pytest.mark.parametrize(("request_type", "kind"), [("Create", "CANARY"), ("Update", "ALL_AT_ONCE")])
def test_a_first_deployment_and_a_repair_are_not_held_back(
    stack: Stack, cloudformation: Waiting, versions: list[str], request_type: str, kind: str
) -> None:
    route(stack, versions[1])
    with stack.runtime.replaced("FinalizeFunction", refuse):
        sent = event(cloudformation, versions, request_type, kind)
        assert answer(cloudformation, sent) == ("SUCCESS", "")


@pytest.mark.parametrize(
    ("stack_status", "expected"),
    [("UPDATE_ROLLBACK_IN_PROGRESS", "SUCCESS"), ("UPDATE_IN_PROGRESS", "FAILED"), ("", "FAILED")],
)
def test_the_old_versions_return_whatever_is_wrong_with_them(
    stack: Stack, cloudformation: Waiting, versions: list[str], stack_status: str, expected: str
) -> None:
    cloudformation.stack_status = stack_status
    cloudformation.refuses = not stack_status
    with stack.runtime.replaced("FinalizeFunction", refuse):
        status, _ = answer(cloudformation, event(cloudformation, versions))
    assert status == expected
    assert cloudformation.asked[0]["Action"] == ["DescribeStacks"]
    assert cloudformation.asked[0]["StackName"] == [STACK_ID]


@pytest.mark.parametrize("code", sorted(new_versions.NOT_YET))
def test_a_refusal_that_has_run_nothing_is_repeated(stack: Stack, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(new_versions, "PAUSES_SECONDS", (0.0, 0.0))
    refusals = [ClientError({"Error": {"Code": code, "Message": "not yet"}}, "Invoke")] * 2

    def refuse_at_first(**_: object) -> None:
        if refusals:
            raise refusals.pop()

    client = stack.client("lambda")
    client.meta.events.register_first("before-call.lambda.Invoke", refuse_at_first)
    answer = new_versions.invoke(client, "VerifyProjectFunction", PROBE)
    assert (refusals, json.loads(answer["Payload"].read())) == ([], {"failed": {}})


def test_what_no_time_is_left_to_probe_is_named(
    cloudformation: Waiting, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_versions, "BEGIN_WITHIN_SECONDS", -1)
    sent = event(cloudformation, versions, functions=["FinalizeFunction"])
    reason = "FinalizeFunction: it was not probed, because the others used up the time"
    assert answer(cloudformation, sent) == ("FAILED", reason)
