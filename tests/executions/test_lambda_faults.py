"""Faults that are Lambda's own: throttling, timeouts, and processes that die."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from moto.awslambda.exceptions import LambdaClientError

from local.lambda_environment import Handler, Invocation
from local.stack import Stack
from tests.executions.running import SERVICES, eventually, payload_for, replaced, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned

pytestmark = pytest.mark.slow

SHORT_LIVED = (
    "TooManyRequestsException",
    "ServiceException",
    "AWSLambdaException",
    "SdkClientException",
    "CodeArtifactUserPendingException",
)
TIMEOUT_SCALE = 0.03


@contextmanager
def throttled(stack: Stack, function: str, code: str, times: int) -> Iterator[Callable[[], int]]:
    """Refuse the first invocations of a function, as Lambda does before it runs anything."""
    real, refused = stack.runtime.invoke, [0]

    def invoke(function_name: str, body: str, arn: str = "") -> Invocation:
        if function_name == function and refused[0] < times:
            refused[0] += 1
            raise LambdaClientError(code, "Rate Exceeded.")
        return real(function_name, body, arn)

    with patch.object(stack.runtime, "invoke", invoke):
        yield lambda: refused[0]


@pytest.mark.parametrize("code", SHORT_LIVED)
def test_a_short_lived_fault_of_lambda_is_retried_within_seconds(stack: Stack, project_id: str, code: str) -> None:
    payload = payload_for(project_id)
    with throttled(stack, "CreateDatabaseFunction", code, 4) as refused:
        ran = run(stack, payload)
    assert (ran.status, refused(), len(ran.waits)) == ("SUCCEEDED", 4, 4)
    assert max(ran.waits) <= 8
    assert problems_of_provisioned(look(stack, project_id), payload) == []


def test_a_throttled_stage_still_has_its_three_attempts(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id)
    with (
        throttled(stack, "CreateSchemaFunction", SHORT_LIVED[0], 3),
        failing(stack, STAGES["creating_schema"], Fault.ERROR, 2),
    ):
        ran = run(stack, payload)
    assert (ran.status, [wait for wait in ran.waits if wait == 300]) == ("SUCCEEDED", [300.0, 300.0])
    assert len(ran.waits) == 5
    assert problems_of_provisioned(look(stack, project_id), payload) == []


def test_a_stage_that_lambda_never_runs_is_rolled_back(stack: Stack, project_id: str) -> None:
    with throttled(stack, "GenerateApiKeysFunction", SHORT_LIVED[0], 1000):
        ran = run(stack, payload_for(project_id, "auth"))
    assert (ran.status, ran.error) == ("FAILED", "StageCrashed")
    assert "Lambda.TooManyRequestsException" in ran.cause
    assert problems_after_last_look(stack, project_id) == []


@pytest.mark.parametrize("stage", ["initializing", "creating_database", "registering_storage", "finalizing"])
def test_a_stage_that_does_not_end_is_timed_out_and_rolled_back(stack: Stack, project_id: str, stage: str) -> None:
    with sleeping(stack, STAGES[stage].function), hurried(stack):
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error) == ("FAILED", "StageTimedOut")
    assert ": it did not end within its time. " in ran.cause
    assert ran.waits == [300.0, 300.0]
    assert eventually(lambda: problems_after_last_look(stack, project_id) == [])


def test_a_task_that_timed_out_once_is_tried_again(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id, "auth")
    with sleeping(stack, "RegisterAuthFunction", times=1), hurried(stack):
        ran = run(stack, payload)
    assert (ran.status, ran.waits) == ("SUCCEEDED", [300.0])
    assert eventually(lambda: problems_of_provisioned(look(stack, project_id), payload) == [])


@pytest.mark.parametrize("death", [SystemExit(1), SystemExit(), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_a_process_that_dies_is_a_stage_that_crashed(stack: Stack, project_id: str, death: BaseException) -> None:
    def die(handler: Handler, event: Any, context: Any) -> Any:
        handler(event, context)
        raise death

    with replaced(stack, "CreateDatabaseFunction", die):
        ran = run(stack, payload_for(project_id))
    known = not isinstance(death, Exception)
    assert (ran.status, ran.waits) == ("FAILED", [300.0, 300.0])
    assert ran.error == ("StageCrashed" if known else "MemoryError")
    assert ("Runtime.ExitError" in ran.cause) == known
    assert problems_after_last_look(stack, project_id) == []


@contextmanager
def hurried(stack: Stack) -> Iterator[None]:
    """Make 60 seconds of the state machine, and the 50 of Lambda, 1.8 and 1.5 seconds."""
    with (
        patch.object(stack.clock, "timeout_scale", TIMEOUT_SCALE),
        patch.object(stack.runtime, "_timeout_scale", TIMEOUT_SCALE),
    ):
        yield


@contextmanager
def sleeping(stack: Stack, function: str, times: int = 1000) -> Iterator[None]:
    """Let invocations of a function sleep before they begin, and wake them when the execution has ended."""
    awake, slept = threading.Event(), [0]

    def sleep(handler: Handler, event: Any, context: Any) -> Any:
        slept[0] += 1
        if slept[0] <= times:
            awake.wait(30)
        return handler(event, context)

    try:
        with replaced(stack, function, sleep):
            yield
    finally:
        awake.set()
