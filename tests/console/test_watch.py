"""provision watch: its output for a job, and its exit code."""

import io
import json
import uuid
from typing import Any

import pytest
from rich.console import Console

from cli.connection import of_stack
from cli.progress_view import follow, stage_table
from console.job_view import Sources
from console.stage_progress import next_attempts, stage_progress
from local.errors import HumanError
from local.stack import Stack
from provisioning.ledger.progress import get_progress
from tests.conftest import TIME_SCALE
from tests.executions.running import SERVICES, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing


@pytest.fixture(scope="module")
def sources(stack: Stack) -> Sources:
    return of_stack(stack.endpoint_url, stack.state_machine_arn, TIME_SCALE)


def watched(sources: Sources, job: str, *, as_json: bool = False) -> tuple[Any, list[str]]:
    text = io.StringIO()
    progress = follow(sources, job, Console(file=text, width=160), as_json=as_json)
    return progress, text.getvalue().splitlines()


def new_job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


def test_a_job_is_followed_in_plain_lines_to_its_end(stack: Stack, sources: Sources, project_id: str) -> None:
    job = new_job()
    stack.start_execution(payload_for(project_id, *SERVICES), job)
    progress, lines = watched(sources, job)
    assert (progress.status, progress.percent) == ("succeeded", 100)
    assert lines[-1].startswith("100 %  finalizing")
    assert all(line[3:5] == " %" for line in lines)


def test_its_percentage_never_goes_back_and_is_100_only_at_success(
    stack: Stack, sources: Sources, project_id: str
) -> None:
    job = new_job()
    with failing(stack, STAGES["generating_api_keys"], Fault.ERROR):
        stack.start_execution(payload_for(project_id, *SERVICES), job)
        progress, lines = watched(sources, job, as_json=True)
    percents = [json.loads(line)["percent"] for line in lines]
    assert percents == sorted(percents)
    assert percents[-1] < 100
    assert progress.status == "rolled_back"


def test_json_is_what_the_progress_api_answers(stack: Stack, sources: Sources, project_id: str) -> None:
    job = new_job()
    stack.run(payload_for(project_id), job)
    _, lines = watched(sources, job, as_json=True)
    document, progress = json.loads(lines[-1]), get_progress(job)
    assert progress
    assert document["retries"] == {}
    assert (document["status"], document["stage"], document["percent"]) == ("succeeded", "completed", 100)
    assert [(step["stage"], step["status"]) for step in document["steps"]] == [
        (step.stage, step.status) for step in progress.steps
    ]


def test_without_a_ledger_the_history_tells_the_same(
    stack: Stack, sources: Sources, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job()
    with failing(stack, STAGES["creating_schema"], Fault.ERROR, 1):
        stack.run(payload_for(project_id, "auth"), job)
    ledger = get_progress(job)
    monkeypatch.delenv("CONTROL_PLANE_SECRET_ID")
    shown = sources.read(job)
    assert ledger
    assert shown
    history = stage_progress(shown)
    assert (history.status, history.stage, history.percent, history.attempts) == (
        ledger.status,
        ledger.stage,
        ledger.percent,
        ledger.attempts,
    )
    assert [(step.stage, step.status, step.attempt) for step in history.steps] == [
        (step.stage, step.status, step.attempt) for step in ledger.steps
    ]


def test_a_job_that_nobody_knows_is_said_so(sources: Sources) -> None:
    with pytest.raises(HumanError, match="there is no job no-such-job"):
        follow(sources, "no-such-job", Console(file=io.StringIO()))


def test_a_terminal_counts_down_to_the_next_attempt(stack: Stack, sources: Sources, project_id: str) -> None:
    from tests.console.conftest import held_clock

    unscaled = of_stack(stack.endpoint_url, stack.state_machine_arn, 1.0)
    job = new_job()
    with held_clock(stack) as go_on, failing(stack, STAGES["creating_database"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        shown = None
        while shown is None or not next_attempts(shown):
            shown = unscaled.read(job)
        text = io.StringIO()
        Console(file=text, width=120).print(stage_table(stage_progress(shown), next_attempts(shown)))
        assert "attempt 2 of 3, next in 4:5" in text.getvalue() or "next in 5:00" in text.getvalue()
        go_on.set()
        stack.wait(arn)
