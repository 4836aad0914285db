"""A history is read as far as it goes, and a state has the status of what happened in it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from console.definition import read_definition
from console.gantt import gantt
from console.history import RUNNING, Event, read_history
from console.job_view import Sources
from console.stages import Stages
from console.timeline import Status
from local.stack import Stack
from provisioning.jobs.provision_project import PROVISION_PROJECT
from tests import shipped
from tests.executions.running import SERVICES, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_execution_whose_history_has_no_event_yet_is_one_that_has_all_before_it() -> None:
    timeline = read_history(read_definition(shipped.definition()), Stages(PROVISION_PROJECT), [], RUNNING, NOW)
    assert (timeline.started_at, timeline.ended_at, timeline.order, timeline.attempts) == (NOW, None, (), 0)
    assert timeline.states["Verify project"].status is Status.WAITING
    assert gantt(timeline, NOW).rows == []


def test_an_execution_that_ended_without_an_event_is_one_that_did_nothing() -> None:
    timeline = read_history(read_definition(shipped.definition()), Stages(PROVISION_PROJECT), [], "ABORTED", NOW)
    assert timeline.ended_at == NOW
    assert {run.status for run in timeline.states.values()} == {Status.SKIPPED}


def statuses(stack: Stack, job: str) -> dict[str, str]:
    sources = Sources.of(stack.client("stepfunctions"), stack.client("logs"), stack.state_machine_arn)
    shown = sources.read(job)
    assert shown is not None
    return {name: str(one.status) for name, one in shown.execution.timeline.states.items()}


def test_a_parallel_has_failed_if_a_branch_ended_with_a_failure_that_it_caught(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["registering_realtime"], Fault.ERROR):
        found = statuses(stack, run(stack, payload_for(project_id, *SERVICES)).job_id)
    failed = {"Register services", "Register realtime", "Realtime not registered", "Provisioning failed"}
    assert {name for name, status in found.items() if status == "failed"} == failed
    assert found["Register auth"] == "compensated"


def test_a_parallel_is_compensated_if_all_that_it_did_was_undone(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["generating_api_keys"], Fault.ERROR):
        found = statuses(stack, run(stack, payload_for(project_id, *SERVICES)).job_id)
    assert (found["Register services"], found["Generate API keys"]) == ("compensated", "failed")


@pytest.mark.parametrize(
    ("last", "expected"), [({"Type": "Task", "End": True}, "succeeded"), ({"Type": "Pass", "End": True}, "failed")]
)
def test_a_branch_whose_failure_another_task_made_good_has_not_failed(last: dict[str, Any], expected: str) -> None:
    first = {"Type": "Task", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "last"}], "End": True}
    branch = {"StartAt": "first", "States": {"first": first, "last": last}}
    machine = read_definition(
        {"StartAt": "both", "States": {"both": {"Type": "Parallel", "Branches": [branch], "End": True}}}
    )
    kind = last["Type"]
    happened = [
        ("ParallelStateEntered", "both"),
        *(("TaskStateEntered", "first"), ("TaskScheduled", ""), ("TaskFailed", ""), ("TaskStateExited", "first")),
        (f"{kind}StateEntered", "last"),
        *([("TaskScheduled", ""), ("TaskSucceeded", "")] if kind == "Task" else []),
        (f"{kind}StateExited", "last"),
        ("ParallelStateExited", "both"),
    ]
    events: list[Event] = [
        {"id": number, "previousEventId": number - 1, "timestamp": NOW, "type": type_, "EventDetails": {"name": name}}
        for number, (type_, name) in enumerate(happened, 1)
    ]
    timeline = read_history(machine, Stages(), events, "SUCCEEDED", NOW)
    assert (timeline.states["both"].status, timeline.states["last"].status) == (expected, expected)
