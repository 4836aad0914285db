"""The page with a thousand executions, and with a history of 500 events: its time, and that nothing is lost."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from console.execution_list import PAGE_SIZE, Query
from console.job_view import Sources
from local.stack import Stack
from tests.console.conftest import Serve

pytestmark = pytest.mark.slow
EXECUTIONS = 1000
FAILED = 30
ROUNDS = 125
SMOOTH_SECONDS = 5.0
"""Far above what was measured, so that a busy machine does not fail the tests."""

# Four events a round, and no function: moto runs a thousand in seconds.
LOOP = {
    "StartAt": "Count",
    "States": {
        "Count": {
            "Type": "Pass",
            "Parameters": {"n.$": "States.MathAdd($.n, -1)", "project_id.$": "$.project_id"},
            "Next": "Again?",
        },
        "Again?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.n", "NumericGreaterThan": 0, "Next": "Count"},
                {"Variable": "$.n", "NumericLessThan": 0, "Next": "Refused"},
            ],
            "Default": "Done",
        },
        "Refused": {"Type": "Fail", "Error": "Refused", "Cause": "as this test wants it"},
        "Done": {"Type": "Succeed"},
    },
}


@pytest.fixture(scope="module")
def crowd(stack: Stack) -> Iterator[str]:
    """The ARN of a machine with a thousand ended executions, the newest with 500 events."""
    client = stack.client("stepfunctions")
    arn = client.create_state_machine(
        name="crowd", definition=json.dumps(LOOP), roleArn="arn:aws:iam::123456789012:role/crowd"
    )["stateMachineArn"]
    for number in range(EXECUTIONS - 1):
        _run(stack, client, arn, f"e-{number:04}", n=0 if number < FAILED else 1, project_id=f"project-{number:04}")
    _run(stack, client, arn, "long", n=ROUNDS, project_id="long-project")
    yield arn
    client.delete_state_machine(stateMachineArn=arn)


def _run(stack: Stack, client: Any, arn: str, name: str, **payload: object) -> None:
    client.start_execution(stateMachineArn=arn, name=name, input=json.dumps(payload))
    stack.wait(f"{arn.replace(':stateMachine:', ':execution:')}:{name}")


@pytest.fixture(scope="module")
def sources(stack: Stack, crowd: str) -> Sources:
    return Sources.of(stack.client("stepfunctions"), stack.client("logs"), crowd)


@pytest.fixture(scope="module")
def read_only(serve: Serve, crowd: str) -> str:
    """The address of a console of the crowd without buttons."""
    return serve(crowd, "--read-only")


def test_every_execution_has_its_place_and_the_newest_come_first(sources: Sources) -> None:
    newest_first = ["long", *(f"e-{number:04}" for number in reversed(range(EXECUTIONS - 1)))]
    for number in (1, 2, 40):
        page = sources.execution_list.look(Query(page=number))
        assert (page.found, page.listed, page.pages, page.older) == (EXECUTIONS, EXECUTIONS, 40, False)
        assert [row.name for row in page.rows] == newest_first[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]


def test_a_status_and_a_project_find_theirs(sources: Sources) -> None:
    assert sources.execution_list.look(Query(status="FAILED")).found == FAILED
    page = sources.execution_list.look(Query(project="long"))
    while page.unread:
        # Each search reads no more inputs than AWS allows per second, and the next one continues.
        page = sources.execution_list.look(Query(project="long"))
    assert [row.name for row in page.rows] == ["long"]


def test_a_page_number_beyond_the_end_is_the_last_page(sources: Sources) -> None:
    assert sources.execution_list.look(Query(page=10_000)).number == EXECUTIONS // PAGE_SIZE


def test_the_browser_stays_smooth(page: Page, read_only: str, record_property: Any) -> None:
    began = time.monotonic()
    page.goto(f"{read_only}/executions")
    expect(page.locator("tbody tr")).to_have_count(PAGE_SIZE)
    record_property("list_seconds", listed := time.monotonic() - began)
    expect(page.locator(".pager")).to_contain_text("Page 1 of 40 · 1,000 of 1,000 executions")
    began = time.monotonic()
    page.get_by_role("button", name="Older").click()
    expect(page.locator(".pager")).to_contain_text("Page 2 of 40")
    record_property("next_page_seconds", paged := time.monotonic() - began)
    began = time.monotonic()
    page.goto(f"{read_only}/executions/long")
    page.wait_for_selector(".picture .box:visible")
    expect(page.locator(".events tbody tr")).to_have_count(4 * ROUNDS + 4)
    record_property("history_seconds", opened := time.monotonic() - began)
    began = time.monotonic()
    page.get_by_label("Search events").fill("ExecutionSucceeded")
    expect(page.locator(".events tbody tr")).to_have_count(1)
    record_property("search_seconds", searched := time.monotonic() - began)
    print(f"list {listed:.2f} s, next page {paged:.2f} s, history {opened:.2f} s, search {searched:.2f} s")
    assert max(listed, paged, opened, searched) < SMOOTH_SECONDS


def test_a_read_only_console_has_no_buttons_that_act(page: Page, read_only: str) -> None:
    page.goto(f"{read_only}/executions/long")
    page.wait_for_selector(".picture .box:visible")
    expect(page.get_by_text("read only")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Stop|Retry|Start"))).to_have_count(0)
    assert page.request.get(f"{read_only}/start").status == 404
