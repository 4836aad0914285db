"""What the API says of jobs, at once or when they have ended."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Barrier
from typing import Any
from unittest.mock import patch

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from local.lambda_environment import Handler
from local.stack import Stack
from provisioning import control_plane, endings
from tests.api.asking import ask, get
from tests.conftest import NewProject
from tests.executions.running import Ran, ended, eventually, payload_for, replaced, run
from tests.executions.stage_faults import STAGES, Fault, failing


@pytest.fixture(scope="module")
def failed(stack: Stack, new_project: NewProject) -> tuple[str, Ran]:
    """A project, and its only job, which was rolled back."""
    project_id = new_project()
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        return project_id, run(stack, payload_for(project_id))


def test_a_job_has_its_stages_attempts_and_ending(failed: tuple[str, Ran]) -> None:
    project_id, ran = failed
    found = get(f"/v1/jobs/{ran.job_id}")
    assert (found["job_type"], found["project_id"]) == ("provision_project", project_id)
    assert (found["status"], found["outcome"]) == ("rolled_back", "rolled_back")
    steps = {step["stage"]: step for step in found["steps"]}
    assert (steps["creating_schema"]["status"], steps["creating_schema"]["attempts"]) == ("compensated", 3)
    assert steps["registering_auth"]["status"] == "skipped"
    assert found["ending"]["stage"] == "creating_schema"
    assert found["ending"]["undone"]
    assert found["ending"]["left"] == []
    assert found["ending"]["text"] == endings.find(control_plane.connect(), ran.job_id).text


def test_a_job_that_succeeded_has_no_next_command(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id))
    found = get(f"/v1/jobs/{ran.job_id}")
    assert (found["status"], found["percent"], found["ending"]["outcome"]) == ("succeeded", 100, "succeeded")
    assert found["ending"]["next_command"] is None


def test_an_unknown_job_is_a_problem(stack: Stack) -> None:
    answer = ask("GET", "/v1/jobs/nothing")
    assert (answer.status, answer.body["type"], answer.type) == (404, "JobNotFound", "application/problem+json")


def test_a_job_whose_name_has_to_be_escaped_is_found(stack: Stack, project_id: str) -> None:
    run(stack, payload_for(project_id), "a+b=(c)'é@1")
    for path in ("a%2Bb%3D%28c%29%27%C3%A9%401", "a+b=(c)'%C3%A9@1"):
        assert get(f"/v1/jobs/{path}")["job_id"] == "a+b=(c)'é@1"


@pytest.mark.parametrize(
    ("query", "is_listed"),
    [
        ("status=rolled_back", True),
        ("outcome=rolled_back", True),
        ("job_type=provision_project", True),
        ("status=succeeded", False),
        ("outcome=running", False),
        ("job_type=suspend_project", False),
    ],
)
def test_jobs_are_listed_by_project_and_each_filter(failed: tuple[str, Ran], query: str, is_listed: bool) -> None:
    project_id, ran = failed
    jobs = get(f"/v1/jobs?project_id={project_id}&{query}")["jobs"]
    assert [job["job_id"] for job in jobs] == ([ran.job_id] if is_listed else [])


@contextmanager
def running(
    stack: Stack, project_id: str, function: str = "CreateSchemaFunction"
) -> Iterator[tuple[str, Callable[[], None]]]:
    """A job that stays at its schema until it is let go, and what lets it go."""
    reached, go_on = threading.Event(), threading.Event()

    def held(handler: Handler, event: Any, context: Any) -> Any:
        reached.set()
        assert go_on.wait(60)
        return handler(event, context)

    with replaced(stack, function, held):
        arn = stack.start_execution(payload_for(project_id), f"job-{uuid.uuid4().hex[:12]}")
        try:
            assert reached.wait(60)
            yield arn.rpartition(":")[2], go_on.set
        finally:
            go_on.set()
            ended(stack, arn)


def test_a_job_that_was_started_by_hand_is_pending_until_it_opens(stack: Stack, project_id: str) -> None:
    with running(stack, project_id, "VerifyProjectFunction") as (job_id, _):
        found = get(f"/v1/jobs/{job_id}")
    assert (found["status"], found["job_type"], found["started_by"]) == (
        "pending",
        "provision_project",
        "StartExecution",
    )
    assert get(f"/v1/jobs/{job_id}")["status"] == "succeeded"


def test_a_job_that_ends_while_it_is_read_has_no_running_stage(stack: Stack, project_id: str) -> None:
    real = endings.find_told
    with running(stack, project_id) as (job_id, go_on):

        def after_its_end(*arguments: Any) -> endings.Ending:
            go_on()
            assert eventually(lambda: real(*arguments).has_ended, 60)
            return real(*arguments)

        with patch.object(endings, "find_told", after_its_end):
            found = get(f"/v1/jobs/{job_id}")
    assert found["status"] == "succeeded"
    assert {step["status"] for step in found["steps"]} <= {"succeeded", "skipped"}


def test_a_running_job_has_no_outcome_and_no_ending(stack: Stack, project_id: str) -> None:
    with running(stack, project_id) as (job_id, _):
        found = get(f"/v1/jobs/{job_id}")
        assert (found["status"], found["outcome"], found["ending"]) == ("running", None, None)
        assert [job["outcome"] for job in get(f"/v1/jobs?project_id={project_id}")["jobs"]] == [None]
        assert get(f"/v1/jobs?project_id={project_id}&outcome=running")["jobs"] == []


def test_a_caller_that_waits_hears_of_the_end_when_it_comes(stack: Stack, project_id: str) -> None:
    with running(stack, project_id) as (job_id, go_on), ThreadPoolExecutor(1) as caller:
        began = time.monotonic()
        answer = caller.submit(get, f"/v1/jobs/{job_id}?wait=25")
        go_on()
        assert answer.result()["outcome"] == "succeeded"
        assert time.monotonic() - began < 20


def test_a_wait_ends_when_its_time_is_over(stack: Stack, project_id: str) -> None:
    with running(stack, project_id) as (job_id, _):
        began = time.monotonic()
        assert get(f"/v1/jobs/{job_id}?wait=1")["status"] == "running"
        assert time.monotonic() - began >= 1


def test_waiting_holds_no_transaction_open(stack: Stack, project_id: str) -> None:
    with running(stack, project_id) as (job_id, go_on), ThreadPoolExecutor(1) as caller:
        answer = caller.submit(get, f"/v1/jobs/{job_id}?wait=25")
        with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
            assert eventually(lambda: idle_after_a_look(cursor))
        go_on()
        answer.result()


def idle_after_a_look(cursor: Any) -> bool:
    """Whether a session that reads steps of jobs waits outside of any transaction."""
    cursor.execute("SELECT state FROM pg_stat_activity WHERE query ~ 'provisioning_steps' AND pid <> pg_backend_pid()")
    states = [state for (state,) in cursor.fetchall()]
    return "idle" in states and "idle in transaction" not in states


def test_callers_at_the_same_time_get_their_own_answers(new_project: NewProject) -> None:
    projects = [new_project() for _ in range(8)]
    all_have_come, real = Barrier(len(projects), timeout=60), APIGatewayHttpResolver._resolve

    def together(resolver: APIGatewayHttpResolver) -> Any:
        all_have_come.wait()
        return real(resolver)

    with patch.object(APIGatewayHttpResolver, "_resolve", together), ThreadPoolExecutor(len(projects)) as callers:
        asked = list(callers.map(lambda project: get(f"/v1/projects/{project}"), projects))
    assert [one["project_id"] for one in asked] == projects


def test_a_caller_that_waits_gets_the_answer_of_its_own_job(stack: Stack, new_project: NewProject) -> None:
    other = new_project()
    with running(stack, new_project()) as (job_id, go_on), ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(get, f"/v1/jobs/{job_id}?wait=25")
        assert get(f"/v1/projects/{other}")["project_id"] == other
        go_on()
        assert waiting.result()["job_id"] == job_id


def test_a_job_whose_execution_was_stopped_unheard_is_told_as_stopped(stack: Stack, project_id: str) -> None:
    def unheard(handler: Handler, event: Any, context: Any) -> Any:
        return {"stopped": []}

    with replaced(stack, "RecordStoppedExecutionsFunction", unheard), running(stack, project_id) as (job_id, go_on):
        arn = endings.find(control_plane.connect(), job_id).execution_arn
        assert arn is not None
        stack.client("stepfunctions").stop_execution(executionArn=arn, error="Changed", cause="our mind")
        go_on()
        ended(stack, arn)
        found = get(f"/v1/jobs/{job_id}")
        assert (found["status"], found["outcome"], found["ending"]["outcome"]) == ("stopped", "stopped", "stopped")
        assert found["ending"]["message"] == "its execution was stopped (Changed: our mind)"
        assert "running" not in {step["status"] for step in found["steps"]}


def test_the_pages_of_a_projects_jobs_have_each_once(stack: Stack, project_id: str) -> None:
    older, newer = (run(stack, payload_for(project_id)) for _ in range(2))
    first = get(f"/v1/jobs?project_id={project_id}&limit=1")
    second = get(f"/v1/jobs?project_id={project_id}&limit=1&cursor={first['next_cursor']}")
    assert [job["job_id"] for page in (first, second) for job in page["jobs"]] == [newer.job_id, older.job_id]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "name", ["é" * 80, "\U0001d7d8" * 80, "of\u00adsoft\u200bbreaks"], ids=["two bytes", "four bytes", "unprintable"]
)
def test_the_cursor_of_a_page_is_accepted_whatever_the_name_of_its_last_job(
    stack: Stack, project_id: str, name: str
) -> None:
    older, newer = run(stack, payload_for(project_id)), run(stack, payload_for(project_id), name)
    first = get(f"/v1/jobs?project_id={project_id}&limit=1")
    second = get(f"/v1/jobs?project_id={project_id}&limit=1&cursor={first['next_cursor']}")
    assert [job["job_id"] for page in (first, second) for job in page["jobs"]] == [newer.job_id, older.job_id]
