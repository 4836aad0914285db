"""The rest of the pages: details of a state, events, the form, the list; by keyboard and on a phone."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from local.stack import Stack
from provisioning.ledger.progress import get_progress
from provisioning.stage import Service
from tests.console.browsing import assert_accessible, execution_address, held, new_job, node, open_job
from tests.console.conftest import PATIENCE_MILLISECONDS
from tests.executions.running import keep_logs, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)
SECRET = "hunter2-of-this-test"


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
    expect(page.locator("main").get_by_text("No event matches.")).to_be_visible()
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
    assert SECRET not in page.request.get(f"{execution_address(console, job)}/history.json").text()


def test_each_attempt_has_the_lines_that_it_logged(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    keep_logs(stack)
    with failing(stack, STAGES["creating_schema"], Fault.ERROR, 1):
        stack.run(payload_for(project_id), job)
    open_job(page, console, job)
    node(page, "Create tenant schema").click()
    expect(page.locator(".attempt")).to_have_count(2)
    first, second = page.locator(".attempt").nth(0), page.locator(".attempt").nth(1)
    expect(first).to_contain_text("attempt started")
    expect(first).to_contain_text("SchemaCreationFailed")
    expect(second).to_contain_text("attempt succeeded")
    expect(first).not_to_contain_text("attempt succeeded")


def test_a_new_job_comes_into_the_list_and_changes_there(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    page.goto(console)
    expect(page.locator("body[data-live]")).to_be_attached()
    job = new_job()
    row = page.locator("tbody tr").filter(has_text=project_id)
    with held(stack, "CreateSchemaFunction"):
        arn = stack.start_execution(payload_for(project_id), job)
        expect(row).to_contain_text("running")
    stack.wait(arn)
    expect(row).to_contain_text("succeeded")


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


def test_the_form_offers_every_service(page: Page, console: str) -> None:
    page.goto(f"{console}/start")
    for service in Service:
        expect(page.get_by_role("checkbox", name=service.capitalize(), exact=True)).to_be_checked()


def test_a_refusal_stands_at_its_field_and_is_accessible(page: Page, console: str) -> None:
    page.goto(f"{console}/start")
    page.get_by_label("Project id", exact=True).fill("no spaces allowed")
    page.get_by_role("button", name="Start …").click()
    expect(page.locator(".field.refused")).to_contain_text("must match")
    expect(page.get_by_label("Project id", exact=True)).to_be_focused()
    assert_accessible(page)


def test_every_field_of_the_form_that_breaks_a_rule_is_marked_and_the_first_has_the_focus(
    page: Page, console: str
) -> None:
    page.goto(f"{console}/start")
    for label, value in {"Project id": "no spaces allowed", "Region": "mars", "Count": "11"}.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Start …").click()
    expect(page.locator(".field.refused")).to_have_count(3)
    expect(page.get_by_label("Project id", exact=True)).to_be_focused()


def test_what_is_no_value_and_what_breaks_a_rule_are_said_at_once(page: Page, console: str) -> None:
    page.goto(f"{console}/start")
    for label, value in {"Region": "mars", "Count": "eleven", "Metadata, a JSON object": "{"}.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Start …").click()
    for field in ("project_id", "region", "api_keys.count", "metadata"):
        expect(page.get_by_role("alert")).to_contain_text(f"{field}: ")
    expect(page.locator("[aria-invalid]")).to_have_count(4)
    expect(page.get_by_label("Region", exact=True)).to_have_value("mars")


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_is_accessible_in_light_and_dark(
    page: Page, console: str, stack: Stack, project_id: str, scheme: Any
) -> None:
    stack.run(payload_for(project_id))
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
