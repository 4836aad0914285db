"""Executions as a person sees them in the browser: to success, with a retry, into a rollback, stopped and retried."""

import re

import pytest
from playwright.sync_api import Page, expect

from local.stack import Stack
from tests.console.browsing import assert_accessible, assert_equal_to_status, held, new_job, node, open_job
from tests.console.conftest import PATIENCE_MILLISECONDS, held_clock
from tests.executions.running import SERVICES, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)


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
    expect(node(page, "Revoke API keys")).to_have_count(0)
    page.locator('.picture [data-emit="unfold"]:visible').click()
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
    expect(node(page, "Register services")).to_have_class(re.compile("failed"))
    expect(node(page, "Create tenant database")).to_have_class(re.compile("compensated"))
    expect(node(page, "Drop tenant database")).to_have_class(re.compile("succeeded"))
    expect(page.locator(".left-nothing")).to_contain_text("Nothing is left.")
    expect(page.locator(".removed")).to_contain_text("auth registration")
    assert_equal_to_status(page, job)
    # The failed state is shown, with each of its attempts and its log lines.
    expect(page.locator(".state-head")).to_contain_text("Register realtime")
    expect(page.locator(".attempt")).to_have_count(3)
    expect(page.locator(".attempt").first).to_contain_text("ServiceRegistrationFailed: the disk of this test is full")
    expect(page.locator(".picture .way.taken.catch:visible")).to_have_count(1)
    expect(page.locator(".picture .lane.entered:visible")).to_have_count(1)
    assert_accessible(page)


def test_a_running_job_is_stopped_rolled_back_and_tried_again(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = new_job()
    with held_clock(stack) as go_on, failing(stack, STAGES["creating_database"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        open_job(page, console, job)
        expect(node(page, "Create tenant database")).to_have_class(re.compile("retrying"))
        page.get_by_role("button", name="Stop …").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Stop …").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop only").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator("h1")).to_contain_text("stopped")
        go_on.set()
    assert stack.wait(arn)["status"] == "ABORTED"
    page.get_by_role("button", name="Roll back …").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"provision rollback {job}")
    page.get_by_role("dialog").get_by_role("button", name="Roll back", exact=True).click()
    expect(page.locator("h1")).not_to_contain_text("stopped")
    open_job(page, console, job)
    expect(page.locator("h1")).to_contain_text("rolled back")
    try_again(page)
    expect(page.locator("h1")).to_contain_text("succeeded")


def test_a_job_that_waits_is_stopped_and_rolled_back_by_one_button(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = new_job()
    with held_clock(stack) as go_on, failing(stack, STAGES["creating_schema"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        open_job(page, console, job)
        expect(node(page, "Create tenant schema")).to_have_class(re.compile("retrying"))
        page.get_by_role("button", name="Stop …").click()
        question = page.get_by_role("dialog")
        expect(question).to_contain_text(re.compile(r"Without it, attempt 2 of 3 comes at \d\d:\d\d:\d\d\."))
        expect(question).to_contain_text(f"provision stop {job}, or provision stop {job} --no-rollback")
        assert_accessible(page)
        question.get_by_role("button", name="Stop and roll back").click()
        page.wait_for_url("**/rollback-**")
        go_on.set()
    assert stack.wait(arn)["status"] == "ABORTED"
    open_job(page, console, job)
    expect(page.locator("h1")).to_contain_text("rolled back")
    expect(page.locator(".left-nothing")).to_contain_text("Nothing is left.")


def try_again(page: Page) -> None:
    """Press Retry, and confirm."""
    page.get_by_role("button", name="Retry …").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
