"""A small separate machine: one function, one state, no project, no database."""

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from local.aws import LocalAws
from local.clock import Clock
from local.lambda_environment import Handler
from local.lambda_output import LambdaOutput
from local.lambda_runtime import LambdaRuntime
from local.template import Function, Template, read_template

TEMPLATE = """
Globals: {Function: {CodeUri: functions/, Timeout: 50, MemorySize: 512}}
Resources:
  WorkFunction: {Type: "AWS::Serverless::Function", Properties: {Handler: sample_handlers.work}}
  Machine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionS3Location: machine.asl.yaml
      DefinitionSubstitutions: {WorkFunctionArn: !GetAtt WorkFunction.Arn}
"""
SEVERAL = """
Globals: {Function: {CodeUri: functions/, Timeout: 50, MemorySize: 512}}
Resources:
  WorkFunction: {Type: "AWS::Serverless::Function", Properties: {Handler: sample_handlers.work}}
  SuspendMachine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: !Sub ${AWS::StackName}-suspend-project
      DefinitionS3Location: machine.asl.yaml
      DefinitionSubstitutions: {WorkFunctionArn: !GetAtt WorkFunction.Arn}
  ProvisionMachine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: !Sub ${AWS::StackName}-provision-project
      DefinitionS3Location: machine.asl.yaml
      DefinitionSubstitutions: {WorkFunctionArn: !GetAtt WorkFunction.Arn}
"""
"""Two job types; the one that provisions is the second."""

DEFINITION = """
StartAt: Work
States:
  Work:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Parameters: {FunctionName: "${WorkFunctionArn}", Payload.$: $}
    TimeoutSeconds: 60
    Retry: [{ErrorEquals: [States.ALL], IntervalSeconds: 300, MaxAttempts: 2, BackoffRate: 1.0}]
    OutputPath: $.Payload
    End: true
"""

Runtimes = Callable[..., LambdaRuntime]
Machines = Callable[..., "Machine"]
Start = Callable[[], Any]


@dataclass
class Machine:
    """A running state machine of one state."""

    aws: LocalAws
    runtime: LambdaRuntime
    clock: Clock

    def run(self, payload: str = "{}", name: str = "job") -> dict[str, Any]:
        client = self.aws.client("stepfunctions")
        client.start_execution(stateMachineArn=self.aws.state_machine_arn, input=payload, name=name)
        arn = f"{self.aws.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        assert self.aws.wait(arn, 60)
        described: dict[str, Any] = client.describe_execution(executionArn=arn)
        return described


@pytest.fixture
def started(tmp_path: Path) -> Start:
    """Start Step Functions and the other services on the state that the last start of this test left."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "machine.asl.yaml").write_text(DEFINITION)

    @contextmanager
    def start() -> Iterator[LocalAws]:
        aws = LocalAws(read_template(tmp_path / "template.yaml"), tmp_path, fsync=False)
        aws.start()
        try:
            yield aws
        finally:
            aws.stop()

    return start


@pytest.fixture
def runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtimes]:
    """Make a runtime with one function, WorkFunction, which is the given handler."""
    with ExitStack() as undo:

        def make(handler: Handler, timeout_seconds: int = 50, timeout_scale: float = 1.0) -> LambdaRuntime:
            _install(monkeypatch, handler)
            output = LambdaOutput(tmp_path / "lambda.log")
            undo.callback(output.close)
            output.install()
            functions = [Function("WorkFunction", "sample_handlers.work", timeout_seconds, 512)]
            runtime = LambdaRuntime(functions, output, timeout_scale=timeout_scale)
            undo.callback(runtime.close)
            return runtime

        yield make


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Start a machine whose functions are all the given handler: a machine of one state, or the given one."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "machine.asl.yaml").write_text(DEFINITION)
    with ExitStack() as undo:

        def make(
            handler: Handler, scale: float = 0.0, timeout_scale: float = 1.0, shipped: Template | None = None
        ) -> Machine:
            template = shipped or read_template(tmp_path / "template.yaml")
            return undo.enter_context(running_machine(tmp_path, template, handler, scale, timeout_scale))

        yield make


@contextmanager
def running_machine(
    directory: Path, template: Template, handler: Handler, scale: float = 0.0, timeout_scale: float = 1.0
) -> Iterator[Machine]:
    """Run a template's state machine, whose functions are all the given handler."""
    with ExitStack() as undo:
        _install(undo.enter_context(pytest.MonkeyPatch.context()), handler)
        named = tuple(replace(function, handler="sample_handlers.work") for function in template.functions)
        template = replace(template, functions=named)
        output = LambdaOutput(directory / "lambda.log")
        undo.callback(output.close)
        output.install()
        aws = LocalAws(template, directory, fsync=False)
        undo.callback(aws.stop)
        aws.start()
        runtime = LambdaRuntime(template.functions, output)
        undo.callback(runtime.close)
        runtime.install()
        clock = undo.enter_context(Clock(scale, timeout_scale=timeout_scale))
        undo.callback(aws.stop_executions)
        yield Machine(aws, runtime, clock)


def _install(monkeypatch: pytest.MonkeyPatch, handler: Handler) -> None:
    module = types.ModuleType("sample_handlers")
    module.work = handler  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sample_handlers", module)
