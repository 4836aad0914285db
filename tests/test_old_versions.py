"""Old versions are removed from moto's Lambda and Step Functions, and never one that an execution can still run."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from local import moto_state
from provisioning.errors import UnexpectedFailure
from tests import shipped
from tests.sam.artefact import LIMIT_MIB
from upkeep import old_versions
from upkeep.old_versions import REDRIVABLE, YOUNG, Execution, Version, in_use, remove_old_versions

NOW = datetime.now(UTC)
OLD = NOW - 2 * YOUNG
NEWEST = 2
ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/local"
EMPTY = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'


class Deployed:
    """A stack with one function and one state machine, of which every deployment publishes a version."""

    def __init__(self) -> None:
        self.functions, self.machines = boto3.client("lambda"), boto3.client("stepfunctions")
        moto_state.make_role(ACCOUNT)
        self.function = self.functions.create_function(
            FunctionName="old-Stage", Runtime="python3.13", Handler="a.b", Role=ROLE, Code={"ZipFile": b"pass"}
        )["FunctionName"]
        made = self.machines.create_state_machine(name="old-machine", definition=EMPTY, roleArn=ROLE)
        self.machine = made["stateMachineArn"]
        self.executions: list[dict[str, Any]] = []
        self.backend = stepfunctions_parser_backends[ACCOUNT][REGION]

    def deploy(self, times: int, at: datetime) -> None:
        for _ in range(times):
            number = len(self.function_versions())
            variables: Any = {"Variables": {"REVISION": str(number)}}
            self.functions.update_function_configuration(FunctionName=self.function, Environment=variables)
            published = self.functions.publish_version(FunctionName=self.function)
            state = {"Type": "Pass", "Result": published["FunctionArn"], "End": True}
            definition = json.dumps({"StartAt": "A", "States": {"A": state}})
            self.machines.update_state_machine(stateMachineArn=self.machine, definition=definition, publish=True)
            self._of_machine().versions[number + 1].creation_date = at
            self._of_function(number).last_modified = at.isoformat()

    def version(self, number: int) -> str:
        return f"{self.machine}:{number}"

    def route(self, number: int) -> None:
        routing: Any = [{"stateMachineVersionArn": self.version(number), "weight": 100}]
        self.machines.create_state_machine_alias(name="live", routingConfiguration=routing)

    def machine_versions(self) -> list[int]:
        return sorted(self._of_machine().versions)

    def function_versions(self) -> list[int]:
        listed = self.functions.list_versions_by_function(FunctionName=self.function)["Versions"]
        return sorted(int(one["Version"]) for one in listed if one["Version"] != "$LATEST")

    def _of_machine(self) -> Any:
        (machine,) = self.backend.state_machines
        return machine

    def _of_function(self, number: int) -> Any:
        from moto.awslambda_simple.models import lambda_simple_backends

        return lambda_simple_backends[ACCOUNT][REGION].get_function(self.function, str(number + 1))


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("STACK_NAME", "old")
    monkeypatch.setattr(old_versions, "NEWEST", NEWEST)
    with mock_aws(config={"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}):
        made = Deployed()
        # Importing moto's CloudFormation takes 15 s.
        monkeypatch.setattr(old_versions, "_resources", lambda _: ([made.machine], [made.function]))

        def list_versions(response: StepFunctionResponse) -> ActionResult:
            versions = sorted(made._of_machine().versions.values(), key=lambda one: -one.version)
            listed = [{"stateMachineVersionArn": one.arn, "creationDate": one.creation_date} for one in versions]
            return ActionResult({"stateMachineVersions": listed})

        def delete_version(response: StepFunctionResponse) -> EmptyResult:
            arn = response._get_param("stateMachineVersionArn")
            del made._of_machine().versions[int(arn.rpartition(":")[2])]
            return EmptyResult()

        def list_executions(response: StepFunctionResponse) -> ActionResult:
            status = response._get_param("statusFilter")
            return ActionResult({"executions": [one for one in made.executions if one["status"] == status]})

        # moto 5.2.5 lacks the first two, and knows no versions in the third.
        monkeypatch.setattr(StepFunctionResponse, "list_state_machine_versions", list_versions, raising=False)
        monkeypatch.setattr(StepFunctionResponse, "delete_state_machine_version", delete_version, raising=False)
        monkeypatch.setattr(StepFunctionResponse, "list_executions", list_executions)
        yield made


def execution(deployed: Deployed, status: str, version: int, **ended: datetime) -> dict[str, Any]:
    return {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:m:e",
        "stateMachineArn": deployed.machine,
        "stateMachineVersionArn": deployed.version(version),
        "name": "e",
        "status": status,
        "startDate": OLD,
        **ended,
    }


def test_what_nothing_can_run_is_removed_from_both(deployed: Deployed) -> None:
    deployed.deploy(NEWEST + 5, OLD)
    remove_old_versions({}, None)  # type: ignore[arg-type]
    kept = list(range(6, NEWEST + 6))
    assert (deployed.machine_versions(), deployed.function_versions()) == (kept, kept)


def test_a_young_version_is_kept_however_many_there_are(deployed: Deployed) -> None:
    deployed.deploy(NEWEST + 5, NOW - YOUNG + timedelta(hours=1))
    assert remove_old_versions({}, None)["removed"] == []  # type: ignore[arg-type]


def test_a_version_stays_while_an_execution_runs_or_can_be_redriven(deployed: Deployed) -> None:
    """14 days: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html"""
    redrivable, too_old = NOW - timedelta(days=14), NOW - REDRIVABLE - timedelta(hours=1)
    ended = [("FAILED", redrivable), ("ABORTED", redrivable), ("TIMED_OUT", redrivable)]
    others = [("FAILED", too_old), ("ABORTED", too_old), ("TIMED_OUT", too_old), ("SUCCEEDED", NOW)]
    deployed.deploy(5 + len(others) + NEWEST, OLD)
    deployed.executions = [execution(deployed, "RUNNING", 1), execution(deployed, "PENDING_REDRIVE", 2)]
    for number, (status, stopped_at) in enumerate(ended + others, start=3):
        deployed.executions.append(execution(deployed, status, number, stopDate=stopped_at))
    remove_old_versions({}, None)  # type: ignore[arg-type]
    kept = [1, 2, 3, 4, 5, 10, 11]
    assert (deployed.machine_versions(), deployed.function_versions()) == (kept, kept)


def test_a_version_that_an_alias_leads_to_is_kept_with_its_functions(deployed: Deployed) -> None:
    deployed.deploy(NEWEST + 5, OLD)
    deployed.route(3)
    deployed.functions.create_alias(FunctionName=deployed.function, Name="live", FunctionVersion="4")
    remove_old_versions({}, None)  # type: ignore[arg-type]
    newest = list(range(6, NEWEST + 6))
    assert (deployed.machine_versions(), deployed.function_versions()) == ([3, *newest], [3, 4, *newest])


def test_a_version_that_cannot_be_removed_holds_up_no_other_and_is_reported(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.deploy(NEWEST + 3, OLD)
    real = boto3.client

    def client(service: str, **more: Any) -> Any:
        made = real(service, **more)  # type: ignore[call-overload]
        if service == "stepfunctions":
            delete, refused = made.delete_state_machine_version, deployed.version(1)
            error = made.exceptions.ConflictException({"Error": {"Code": "ConflictException"}}, "Delete")

            def delete_or_fail(stateMachineVersionArn: str) -> Any:  # noqa: N803 (boto3's name)
                if stateMachineVersionArn == refused:
                    raise error
                return delete(stateMachineVersionArn=stateMachineVersionArn)

            made.delete_state_machine_version = delete_or_fail
        return made

    monkeypatch.setattr(boto3, "client", client)
    with pytest.raises(UnexpectedFailure, match="1 old versions"):
        remove_old_versions({}, None)  # type: ignore[arg-type]
    newest = list(range(4, NEWEST + 4))
    assert (deployed.machine_versions(), deployed.function_versions()) == ([1, *newest], [1, *newest])


def versions(count: int) -> list[Version]:
    """The newest first, a day apart, all old."""
    return [Version(f"m:{count - number}", OLD - timedelta(days=number)) for number in range(count)]


def test_an_execution_without_a_version_keeps_the_one_of_its_time_and_the_next() -> None:
    newest = old_versions.NEWEST
    listed = versions(newest + 6)
    started = listed[newest + 2].created_at + timedelta(hours=1)
    kept = in_use(listed, [], [Execution(started, None)], NOW)
    assert kept - {one.arn for one in listed[:newest]} == {listed[newest + 1].arn, listed[newest + 2].arn}


def test_an_execution_from_before_all_versions_keeps_the_oldest() -> None:
    newest = old_versions.NEWEST
    listed = versions(newest + 3)
    kept = in_use(listed, [], [Execution(OLD - timedelta(days=99), None)], NOW)
    assert kept - {one.arn for one in listed[:newest]} == {listed[-1].arn}


def test_a_definition_names_versions_by_number() -> None:
    text = '{"FunctionName": "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:stack-Stage-A1b:17"}'
    assert old_versions.FUNCTION_VERSION.findall(text) == [("stack-Stage-A1b", "17")]


def test_the_stacks_machines_and_functions_are_found_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_NAME", "old")
    client = boto3.client("cloudformation", REGION, aws_access_key_id="a", aws_secret_access_key="b")
    pages = [[("AWS::Lambda::Function", "f1"), ("AWS::IAM::Role", "r")], [("AWS::StepFunctions::StateMachine", "m")]]
    with Stubber(client) as stub:
        for number, page in enumerate(pages):
            summaries = [
                {
                    "LogicalResourceId": "X",
                    "ResourceType": kind,
                    "PhysicalResourceId": name,
                    "ResourceStatus": "CREATE_COMPLETE",
                    "LastUpdatedTimestamp": NOW,
                }
                for kind, name in page
            ]
            more = {"NextToken": "next"} if number == 0 else {}
            asked = {"StackName": "old"} | ({"NextToken": "next"} if number else {})
            stub.add_response("list_stack_resources", {"StackResourceSummaries": summaries, **more}, asked)
        assert old_versions._resources(client) == (["m"], ["f1"])


def test_more_than_310_deployments_fit_into_what_lambda_keeps() -> None:
    """75 GB of code in a region: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    assert 75 * 1024 / (len(shipped.functions()) * LIMIT_MIB) > 310
