"""Open lists ask Step Functions seldom, and still say within a stated time that an execution has ended."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.model import OperationModel
from starlette.requests import Request

from cli.connection import of_stack
from console.described import KEPT_ANSWERS, KEPT_SECONDS, Described
from console.jobs_page import jobs_page
from console.projects_page import projects_page
from console.setting import Setting
from console.view import View
from local.stack import Stack
from provisioning.execution import FORGOTTEN
from tests.console.browsing import held, new_job
from tests.executions.running import eventually, payload_for
from tests.executions.test_stopped import unheard

POLLS = 30
"""Those of one page in a minute."""


class Clock:
    """A clock that a test sets."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def setting(stack: Stack, clock: Clock) -> tuple[Setting, Counter[str]]:
    """A console, and how often it has sent which call to Step Functions."""
    sources, calls = of_stack(stack.endpoint_url, stack.state_machine_arn, 1.0), Counter[str]()

    def count(model: OperationModel, **_: object) -> None:
        calls[model.name] += 1

    sources.executions.client.meta.events.register("before-call", count)
    found = Setting(sources, "laptop")
    found.job_rows.describe = Described(sources.executions.describe, clock)
    return found, calls


def asked(setting: Setting, build: Any, query: str) -> View:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
    view = build(setting, Request({**scope, "query_string": query.encode()}))
    assert isinstance(view, View)
    return view


def outcomes(view: View) -> list[str]:
    return [row.outcome for row in view.parts["list"].context["rows"]]


def test_two_open_lists_ask_four_times_a_minute_about_a_running_job(
    setting: tuple[Setting, Counter[str]], clock: Clock, stack: Stack, project_id: str
) -> None:
    shown, calls = setting
    with held(stack, "CreateSchemaFunction"):
        arn = stack.start_execution(payload_for(project_id), new_job())
        assert eventually(lambda: outcomes(asked(shown, jobs_page, f"search={project_id}")) == ["running"])
        calls.clear()
        for _ in range(POLLS):
            clock.seconds += 60 / POLLS
            assert outcomes(asked(shown, jobs_page, f"search={project_id}")) == ["running"]
            asked(shown, projects_page, f"search={project_id}")
    stack.wait(arn)
    assert 0 < calls["DescribeExecution"] <= 60 / KEPT_SECONDS
    assert outcomes(asked(shown, jobs_page, f"search={project_id}")) == ["succeeded"], "the ledger is read every time"


def test_an_end_that_the_ledger_does_not_know_is_shown_after_the_stated_time(
    setting: tuple[Setting, Counter[str]], clock: Clock, stack: Stack, project_id: str
) -> None:
    shown, _ = setting
    real, running = shown.sources.executions.describe, {"status": "RUNNING"}
    shown.job_rows.describe = Described(lambda arn: real(arn) if clock.seconds > 100 else running, clock)
    unheard(stack, project_id)
    assert outcomes(asked(shown, jobs_page, f"search={project_id}")) == ["waiting_to_retry"]
    clock.seconds += KEPT_SECONDS
    assert outcomes(asked(shown, jobs_page, f"search={project_id}")) == ["stopped"]


@pytest.mark.parametrize("said", [None, FORGOTTEN], ids=["nobody answers", "it does not exist yet"])
def test_what_the_next_question_may_find_is_not_kept(clock: Clock, said: Mapping[str, Any] | None) -> None:
    answers: list[Mapping[str, Any] | None] = [{"status": "RUNNING"}, said]
    described = Described(lambda _: answers.pop(), clock)
    assert described("arn") == said
    found = described("arn")
    assert found is not None
    assert found["status"] == "RUNNING"


def test_answers_are_kept_of_so_many_executions_only(clock: Clock) -> None:
    counted = Counter[str]()

    def describe(arn: str) -> Mapping[str, Any]:
        counted[arn] += 1
        return {"status": "RUNNING"}

    described = Described(describe, clock)
    for number in [*range(KEPT_ANSWERS + 1), KEPT_ANSWERS, 0]:
        described(str(number))
    assert (counted[str(KEPT_ANSWERS)], counted["0"]) == (1, 2)
