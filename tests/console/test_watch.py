"""provision watch: its output for a job, and its exit code."""

import io
import json
import uuid
from typing import Any

import pytest
from rich.console import Console

from cli.api_client import Api
from cli.api_problems import ApiProblem
from cli.following import follow
from cli.job_progress import ATTEMPTS, SECONDS_BETWEEN_ATTEMPTS, stage_table
from local.stack import Stack
from provisioning.ledger.progress import get_progress
from tests.cli.commanding import api_of
from tests.executions.running import SERVICES, eventually, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.state_machines import TASKS


@pytest.fixture(scope="module")
def api(stack: Stack) -> Api:
    return api_of(stack)


def watched(api: Api, job: str, *, as_json: bool = False) -> tuple[Any, list[str]]:
    text = io.StringIO()
    progress = follow(api, job, Console(file=text, width=160), as_json=as_json)
    return progress, text.getvalue().splitlines()


def new_job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


def test_a_job_is_followed_in_plain_lines_to_its_end(stack: Stack, api: Api, project_id: str) -> None:
    job = new_job()
    stack.start_execution(payload_for(project_id, *SERVICES), job)
    progress, lines = watched(api, job)
    assert (progress["status"], progress["percent"]) == ("succeeded", 100)
    assert lines[-1].startswith("100 %  finalizing")
    assert all(line[3:5] == " %" for line in lines)


def test_its_percentage_never_goes_back_and_is_100_only_at_success(stack: Stack, api: Api, project_id: str) -> None:
    job = new_job()
    with failing(stack, STAGES["generating_api_keys"], Fault.ERROR):
        stack.start_execution(payload_for(project_id, *SERVICES), job)
        progress, lines = watched(api, job, as_json=True)
    percents = [json.loads(line)["percent"] for line in lines]
    assert percents == sorted(percents)
    assert percents[-1] < 100
    assert progress["status"] == "rolled_back"


def test_json_is_what_the_progress_api_answers(stack: Stack, api: Api, project_id: str) -> None:
    job = new_job()
    stack.run(payload_for(project_id), job)
    _, lines = watched(api, job, as_json=True)
    document, progress = json.loads(lines[-1]), get_progress(job)
    assert progress
    assert document == api.job(job)
    assert (document["status"], document["stage"], document["percent"]) == ("succeeded", "completed", 100)
    assert [(step["stage"], step["status"]) for step in document["steps"]] == [
        (step.stage, step.status) for step in progress.steps
    ]


def test_a_job_that_nobody_knows_is_said_so(api: Api) -> None:
    with pytest.raises(ApiProblem, match="there is no job no-such-job"):
        follow(api, "no-such-job", Console(file=io.StringIO()))


def test_a_terminal_counts_down_to_the_next_attempt(stack: Stack, api: Api, project_id: str) -> None:
    from tests.console.conftest import held_clock

    job = new_job()
    with held_clock(stack) as go_on, failing(stack, STAGES["creating_database"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        assert eventually(lambda: stack.clock.seconds(execution=job) != [])
        text = io.StringIO()
        Console(file=text, width=120).print(stage_table(api.job(job)))
        assert "attempt 2 of 3, next in 4:5" in text.getvalue() or "next in 5:00" in text.getvalue()
        go_on.set()
        stack.wait(arn)


def test_the_terminal_counts_as_every_state_machine_does() -> None:
    retriers = [retrier for tasks in TASKS.values() for task in tasks.values() for retrier in task["Retry"]]
    ours = [retrier for retrier in retriers if retrier["ErrorEquals"] == ["States.ALL"] and "BackoffRate" in retrier]
    assert len(ours) > 20
    for retrier in ours:
        assert (retrier["IntervalSeconds"], retrier["MaxAttempts"]) == (SECONDS_BETWEEN_ATTEMPTS, ATTEMPTS - 1)
