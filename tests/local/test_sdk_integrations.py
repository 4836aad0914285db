"""SDK integrations in moto's interpreter, as AWS documents them: names in PascalCase, errors ServiceName.ErrorName with
"Exception" at their end, whatever the API itself calls them.

https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)

from local import sdk_integrations
from local.template import read_template
from tests.local.conftest import Machine, Machines

Call = Any


def answer(_event: Any, _context: Any) -> dict[str, Any]:
    return {"told": "nobody"}


@pytest.fixture
def call(tmp_path: Path, machines: Machines) -> Call:
    """Run an execution whose one state is an SDK integration, and return how it ended."""

    def run(action: str, parameters: dict[str, Any]) -> tuple[Machine, dict[str, Any]]:
        definition = tmp_path / "integration.asl.yaml"
        state = {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:{action}", "Parameters": parameters}
        definition.write_text(json.dumps({"StartAt": "Ask", "States": {"Ask": state | {"End": True}}}))
        template = read_template(tmp_path / "template.yaml")
        asking = replace(template.state_machines[0], file=definition)
        machine = machines(answer, shipped=replace(template, state_machines=(asking,)))
        return machine, machine.run()

    return run


def test_names_are_pascal_case_both_ways_and_datetimes_are_text(call: Call) -> None:
    _, described = call("sfn:describeExecution", {"ExecutionArn.$": "$$.Execution.Id"})
    output = json.loads(described["output"])
    assert (output["ExecutionArn"], output["Status"]) == (described["executionArn"], "RUNNING")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", output["StartDate"])


def test_names_inside_of_lists_are_pascal_case_too(call: Call) -> None:
    machine, described = call("sfn:listExecutions", {"StateMachineArn.$": "$$.StateMachine.Id"})
    (listed,) = json.loads(described["output"])["Executions"]
    assert listed["StateMachineArn"] == machine.aws.state_machine_arn
    assert listed["StartDate"].endswith("Z")


def test_another_service_is_called_at_the_same_endpoint(call: Call) -> None:
    _, described = call("secretsmanager:createSecret", {"Name": "made-by-a-state"})
    assert json.loads(described["output"])["Name"] == "made-by-a-state"


def test_an_error_has_the_name_that_aws_gives_it(call: Call) -> None:
    missing = {"ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:Machine:nobody"}
    _, described = call("sfn:describeExecution", missing)
    assert (described["status"], described["error"]) == ("FAILED", "Sfn.ExecutionDoesNotExistException")


def test_closing_gives_moto_its_own_back() -> None:
    before = dict(vars(StateTaskServiceAwsSdk))
    with sdk_integrations.install(lambda **_: None):
        assert dict(vars(StateTaskServiceAwsSdk)) != before
    assert dict(vars(StateTaskServiceAwsSdk)) == before
