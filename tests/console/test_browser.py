"""What a person sees and does in the browser, in a real Chromium, of real executions on real PostgreSQL."""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from local.stack import Stack
from provisioning.progress import get_progress
from tests.console.conftest import PATIENCE_MILLISECONDS, held_clock
from tests.executions.running import SERVICES, payload_for, replaced
from tests.executions.stage_faults import STAGES, Fault, failing

expect.set_options(timeout=PATIENCE_MILLISECONDS)
SECRET = "hunter2-of-this-test"


def open_job(page: Page, console: str, job: str) -> None:
    page.goto(f"{console}/executions/{job}")
    page.wait_for_selector(".picture svg[data-ready]")


def new_job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


def node(page: Page, state: str) -> Any:
    return page.locator(".picture svg g.node").filter(has_text=re.compile(f"^{re.escape(state)}"))


@contextmanager
def held(stack: Stack, function: str) -> Iterator[threading.Event]:
    """Keeps a function from answering until the event is set."""
    go_on = threading.Event()

    def around(handler: Any, event: Any, context: Any) -> Any:
        go_on.wait(60)
        return handler(event, context)

    with replaced(stack, function, around):
        try:
            yield go_on
        finally:
            go_on.set()


def assert_equal_to_status(page: Page, job: str) -> None:
    """The page says what `provision status` says, of the job and of each stage."""
    progress = get_progress(job)
    assert progress
    expect(page.locator("#percent .percent")).to_have_text(f"{progress.percent} %")
    expect(page.locator("#ledger-percent")).to_have_text(f"{progress.percent} %")
    expect(page.locator("#ledger-stage")).to_have_text(progress.stage)
    for step in progress.steps:
        cells = page.locator(f'#ledger tr[data-stage="{step.stage}"] td')
        expect(cells.nth(0)).to_contain_text(step.status)
        expect(cells.nth(1)).to_have_text(str(step.attempt or ""))


def assert_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    grave = [
        (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert grave == []


def test_a_run_is_seen_from_its_start_to_success(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    with held(stack, "CreateSchemaFunction") as go_on:
        arn = stack.start_execution(payload_for(project_id, *SERVICES), job)
        open_job(page, console, job)
        expect(node(page, "Create tenant schema")).to_have_class(re.compile("running"))
        expect(node(page, "Create tenant database")).to_have_class(re.compile("succeeded"))
        expect(node(page, "Finalize")).to_have_class(re.compile("waiting"))
        expect(page.locator("#percent .percent")).to_have_text("22 %")
        assert_equal_to_status(page, job)
        go_on.set()
    expect(page.locator("h1")).to_contain_text("succeeded")
    expect(node(page, "Finalize")).to_have_class(re.compile("succeeded"))
    expect(node(page, "Revoke API keys")).to_have_class(re.compile("skipped"))
    stack.wait(arn)
    assert_equal_to_status(page, job)
    expect(page.locator(".resources")).to_contain_text("tenant_")
    assert_accessible(page)


def test_a_stage_that_is_tried_again_counts_down(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    with held_clock(stack) as go_on, failing(stack, STAGES["creating_database"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        open_job(page, console, job)
        expect(node(page, "Create tenant database")).to_have_class(re.compile("retrying"))
        expect(node(page, "Create tenant database")).to_contain_text(
            re.compile(r"attempt 2 of 3, next in (5:00|4:5\d)")
        )
        countdown = page.locator(".countdown")
        expect(countdown).to_have_text(re.compile(r"^(5:00|4:5\d)$"))
        before = countdown.inner_text()
        expect(countdown).not_to_have_text(before)
        assert countdown.inner_text() < before
        assert_accessible(page)
        go_on.set()
    expect(node(page, "Create tenant database")).to_contain_text("succeeded on attempt 2")
    stack.wait(arn)
    assert_equal_to_status(page, job)


def test_a_failure_leads_to_a_rollback_that_leaves_nothing(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = new_job()
    with failing(stack, STAGES["registering_realtime"], Fault.ERROR):
        stack.run(payload_for(project_id, *SERVICES), job)
    open_job(page, console, job)
    expect(page.locator("h1")).to_contain_text("rolled back")
    expect(node(page, "Register realtime")).to_have_class(re.compile("failed"))
    expect(node(page, "Create tenant database")).to_have_class(re.compile("compensated"))
    expect(node(page, "Drop tenant database")).to_have_class(re.compile("succeeded"))
    expect(page.locator(".left-nothing")).to_contain_text("Nothing is left.")
    expect(page.locator(".removed")).to_contain_text("auth registration")
    assert_equal_to_status(page, job)
    # The state that failed is the one that is shown, with each of its attempts and what it logged.
    expect(page.locator(".state-head")).to_contain_text("Register realtime")
    expect(page.locator(".attempt")).to_have_count(3)
    expect(page.locator(".attempt").first).to_contain_text("ServiceRegistrationFailed: the disk of this test is full")
    taken = page.locator(".picture svg .flowchart-link.taken")
    expect(taken.and_(page.locator(".edge-pattern-dotted"))).to_have_count(1)
    assert_accessible(page)


def test_a_state_is_chosen_with_the_keyboard(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    stack.run(payload_for(project_id), job)
    open_job(page, console, job)
    node(page, "Verify project").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".state-head")).to_contain_text("Verify project")
    expect(page.get_by_label("Input of Verify project")).to_contain_text(project_id)


def test_events_are_searched_and_exported(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    stack.run(payload_for(project_id), job)
    open_job(page, console, job)
    page.get_by_label("Search events").fill("Finalize")
    expect(page.locator(".events tbody tr").first).to_contain_text("Finalize")
    expect(page.get_by_text("ExecutionStarted")).to_have_count(0)
    page.get_by_label("Search events").fill("no such thing")
    expect(page.get_by_text("No event matches.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export JSON").click()
    exported = json.loads(Path(download.value.path()).read_text())
    assert exported[0]["type"] == "ExecutionStarted"
    assert exported[-1]["type"] == "ExecutionSucceeded"


def test_no_secret_is_shown(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    metadata = {"password": SECRET, "dsn": f"postgresql://someone:{SECRET}@db/x"}
    stack.run(payload_for(project_id, metadata=metadata), job)
    open_job(page, console, job)
    page.locator('[data-key="state-Verify project"]').click()
    expect(page.get_by_label("Input of Verify project")).to_contain_text("metadata")
    page.locator('[data-key="event-1"] summary').click()
    expect(page.get_by_label("Event 1", exact=True)).to_contain_text(project_id)
    assert SECRET not in page.content()
    assert SECRET not in page.request.get(f"{console}/executions/{job}/history.json").text()


@pytest.mark.parametrize(
    ("label", "value", "field"),
    [
        ("Project id", "no spaces allowed", "project_id"),
        ("Region", "", "region"),
        ("Count", "eleven", "api_keys.count"),
        ("Count", "11", "api_keys.count"),
        ("Metadata, a JSON object", "{", "metadata"),
    ],
)
def test_the_form_refuses_a_bad_payload_and_names_the_field(
    page: Page, console: str, label: str, value: str, field: str
) -> None:
    page.goto(f"{console}/start")
    page.get_by_label("Project id", exact=True).fill("some-project")
    page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Start …").click()
    expect(page.get_by_role("alert").filter(has_text=f"{field}: ")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_refusal_stands_at_its_field_and_is_accessible(page: Page, console: str) -> None:
    page.goto(f"{console}/start")
    page.get_by_label("Project id", exact=True).fill("no spaces allowed")
    page.get_by_role("button", name="Start …").click()
    expect(page.locator(".q-field--error")).to_contain_text("must match")
    expect(page.get_by_label("Project id", exact=True)).to_be_focused()
    assert_accessible(page)


def test_a_job_is_started_only_after_a_question(page: Page, console: str, stack: Stack, project_id: str) -> None:
    page.goto(console)
    page.get_by_role("link", name="Start a job").click()
    page.get_by_label("Project id", exact=True).fill(project_id)
    page.get_by_role("button", name="Start …").click()
    page.get_by_role("dialog").get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/executions/**")
    expect(page.locator("h1")).to_contain_text("succeeded")
    job = page.url.rpartition("/")[2]
    progress = get_progress(job)
    assert progress
    assert (progress.project_id, progress.percent) == (project_id, 100)


def test_a_running_job_is_stopped_and_tried_again(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    with held_clock(stack) as go_on, failing(stack, STAGES["initializing"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        open_job(page, console, job)
        expect(node(page, "Verify project")).to_have_class(re.compile("retrying"))
        page.get_by_role("button", name="Stop …").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Stop …").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        # On AWS it ends at once; moto's interpreter ends it with the wait that it is in.
        go_on.set()
        expect(page.locator("h1")).to_contain_text("stopped")
    assert stack.wait(arn)["status"] == "ABORTED"
    page.get_by_role("button", name="Retry …").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator("h1")).to_contain_text("succeeded")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_is_accessible_in_light_and_dark(page: Page, console: str, stack: Stack, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(console)
    page.wait_for_selector("table")
    assert_accessible(page)


def test_the_page_fits_a_phone(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    stack.run(payload_for(project_id), job)
    page.set_viewport_size({"width": 390, "height": 844})
    open_job(page, console, job)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(console)
    page.wait_for_selector("table")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
