"""Executions that are really stopped: at once during a wait, and then recorded by upkeep, told by Step Functions."""

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from cli import following
from cli.connection import of_stack
from cli.terminal import console
from local.aws import ACCOUNT
from local.aws_client import REGION
from local.lambda_environment import Handler
from local.stack import Stack
from local.template import REPOSITORY
from provisioning import control_plane, endings
from provisioning.endings import Ending
from tests.cli.commanding import api_of
from tests.conftest import TIME_SCALE
from tests.executions.running import (
    SERVICES,
    ended,
    eventually,
    payload_for,
    replaced,
    run,
    seconds_between_attempts,
)
from tests.executions.stage_faults import STAGES, Fault, FaultyStage, failing
from tests.executions.test_rollbacks import roll_back
from tests.executions.worlds import look, problems_after_last_look

pytestmark = pytest.mark.slow
EVERY_STAGE = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
EVENT = REPOSITORY / "events" / "provision_project.json"


def new_job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


def ending_of(job_id: str) -> Ending:
    return endings.find(control_plane.connect(), job_id)


def stop(stack: Stack, arn: str) -> None:
    stack.client("stepfunctions").stop_execution(executionArn=arn, error="Changed", cause="our mind")


@pytest.fixture
def patient(stack: Stack) -> Iterator[None]:
    """Between two attempts of an execution are five minutes, as in an account."""
    with seconds_between_attempts(stack, 300):
        yield


@EVERY_STAGE
@pytest.mark.usefixtures("patient")
def test_a_stop_during_a_wait_takes_effect_at_once(stack: Stack, project_id: str, stage: FaultyStage) -> None:
    job_id, payload = new_job(), payload_for(project_id, *SERVICES)
    with failing(stack, stage, Fault.ERROR):
        arn = stack.start_execution(payload, job_id)
        assert eventually(lambda: stack.clock.seconds(execution=job_id, state=stage.state) == [300])
        stop(stack, arn)
        began = time.monotonic()
        assert ended(stack, arn).status == "ABORTED"
        # Far from the 300 seconds of the wait, so that a busy machine fails nothing.
        assert time.monotonic() - began < 30
    ending = ending_of(job_id)
    assert (ending.outcome, ending.message) == ("stopped", "its execution was stopped (Changed: our mind)")
    assert ending.stage == (None if stage.stage == "initializing" else stage.stage)
    outcome = "failed" if stage.stage == "initializing" else "rolled_back"
    assert roll_back(stack, job_id).cause.startswith(f"{outcome}: its execution was stopped (Changed: our mind)")
    assert problems_after_last_look(stack, project_id) == []


@EVERY_STAGE
def test_a_stop_during_an_attempt_is_recorded_when_the_execution_has_ended(
    stack: Stack, project_id: str, stage: FaultyStage
) -> None:
    begun, over, job_id = threading.Event(), threading.Event(), new_job()

    def wait(handler: Handler, event: Any, context: Any) -> Any:
        begun.set()
        over.wait(30)
        return handler(event, context)

    with replaced(stack, stage.function, wait):
        arn = stack.start_execution(payload_for(project_id, *SERVICES), job_id)
        assert begun.wait(30)
        stop(stack, arn)
        over.set()
        assert ended(stack, arn).status == "ABORTED"
    if stage.stage == "finalizing":
        assert ending_of(job_id).outcome == "succeeded", "its commit was first"
        return
    assert ending_of(job_id).outcome == "stopped"
    assert roll_back(stack, job_id).error == "ExecutionStopped"
    assert problems_after_last_look(stack, project_id) == []


def test_an_execution_that_could_not_record_its_failure_is_recorded_afterwards(stack: Stack, project_id: str) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("not now")

    with (
        failing(stack, STAGES["creating_schema"], Fault.ERROR),
        stack.runtime.replaced("RecordFailureFunction", refuse),
    ):
        ran = run(stack, payload_for(project_id))
    assert ran.error == "FailureNotRecorded"
    text = ending_of(ran.job_id).text
    where = "at creating_schema, which had failed on attempt 3"
    assert text.startswith(f"stopped: its execution ended with FailureNotRecorded {where}: ")
    assert f"provision rollback {ran.job_id}." in text
    assert roll_back(stack, ran.job_id).status == "FAILED"
    assert problems_after_last_look(stack, project_id) == []


def test_a_failed_job_and_its_rollbacks_are_left_as_they_ended(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        ran = run(stack, payload_for(project_id))
    again = roll_back(stack, ran.job_id)
    assert (ending_of(ran.job_id).outcome, again.cause) == ("rolled_back", ran.cause)
    assert not ending_of(again.job_id).has_ended, "a rollback is not a job"


def unheard(stack: Stack, project_id: str, fault: Fault = Fault.ERROR) -> str:
    """Stop a job whose event does not arrive."""
    job_id = new_job()
    with (
        seconds_between_attempts(stack, 300),
        failing(stack, STAGES["creating_schema"], fault),
        stack.runtime.replaced("RecordStoppedExecutionsFunction", lambda *_: {}),
    ):
        arn = stack.start_execution(payload_for(project_id), job_id)
        assert eventually(lambda: stack.clock.seconds(execution=job_id) == [300])
        stop(stack, arn)
        ended(stack, arn)
    return job_id


def test_until_the_event_has_arrived_the_execution_is_asked(
    stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = unheard(stack, project_id)
    assert not ending_of(job_id).has_ended
    sources = of_stack(stack.endpoint_url, stack.state_machine_arn, TIME_SCALE)
    told = sources.ending(job_id)
    assert told is not None
    assert told.text.startswith("stopped: its execution was stopped")
    api = api_of(stack)
    following.print_job(api.job(job_id), console())
    said = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    assert said[0].startswith("stopped, ")
    assert said[-1].startswith("stopped: its execution was stopped")
    assert following.follow(api, job_id, console())["status"] == "stopped"
    roll_back(stack, job_id)
    assert problems_after_last_look(stack, project_id) == []


def test_a_stopped_job_leaves_its_project_to_its_rollback(stack: Stack, project_id: str) -> None:
    job_id = unheard(stack, project_id)
    assert roll_back(stack, job_id).error == "ExecutionStopped"
    assert look(stack, project_id).jobs[0]["status"] == "rolled_back"
    assert run(stack, payload_for(project_id)).status == "SUCCEEDED"


def test_a_stopped_execution_stays_aborted_whatever_fails_afterwards(stack: Stack, project_id: str) -> None:
    begun, over = threading.Event(), threading.Event()

    def wait(handler: Handler, event: Any, context: Any) -> Any:
        begun.set()
        over.wait(30)
        return handler(event, context)

    with replaced(stack, "CreateDatabaseFunction", wait):
        arn = stack.start_execution(payload_for(project_id), new_job())
        assert begun.wait(30)
        stop(stack, arn)
        execution: Any = stepfunctions_parser_backends[ACCOUNT][REGION].describe_execution(arn)
        environment = execution.exec_worker.env
        environment.set_error(error={"error": "Late", "cause": "an attempt that ended after the stop"})
        environment.set_timed_out()
        over.set()
        assert ended(stack, arn).status == "ABORTED"
