"""The list of jobs, in a real browser: from the ledger, with reasons, filters, search and page in the address."""

import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from psycopg2 import sql

from console.paging import PAGE_SIZE
from local.stack import Stack
from provisioning import control_plane, overview
from tests.console.browsing import assert_accessible, held, new_job, smallest_text
from tests.console.conftest import PATIENCE_MILLISECONDS, held_clock
from tests.executions.running import eventually, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)

FORGOTTEN = """
    INSERT INTO control_plane.jobs
        (job_id, job_type, project_id, status, failed_stage, last_error_type, last_error_message, created_at,
         completed_at)
    SELECT {mark} || n, 'provision_project', {mark}, 'failed', 'initializing', 'CLUSTER_FULL', 'no room on any cluster',
           now() - n * interval '1 minute', now()
    FROM generate_series(1, {many}) AS n
"""


def row(page: Page, job: str) -> Any:
    return page.locator(f'tr[data-job="{job}"]')


def forgotten(stack: Stack, many: int) -> str:
    """Jobs whose executions Step Functions does not have. Their ids begin with what is returned."""
    mark = f"old-{uuid.uuid4().hex[:8]}"
    execute(stack, sql.SQL(FORGOTTEN).format(mark=sql.Literal(mark), many=sql.Literal(many)), "control_plane")
    return mark


def test_a_row_leads_with_its_project_and_says_how_it_ended(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = run(stack, payload_for(project_id)).job_id
    page.goto(console)
    expect(row(page, job).locator("th")).to_have_text(project_id)
    expect(row(page, job)).to_contain_text("Provision project")
    expect(row(page, job)).to_contain_text("succeeded")
    expect(row(page, job).locator("time")).to_have_text(re.compile(r"^\d+ (s|min) ago$"))
    expect(row(page, job).locator(".number")).to_have_text(re.compile(r"^\d+(\.\d+ s|:\d\d| s)$"))
    row(page, job).get_by_role("link").click()
    page.wait_for_url(f"**/{job}")


def test_a_failed_job_gives_its_reason_in_one_line(page: Page, console: str, stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        job = run(stack, payload_for(project_id)).job_id
    page.goto(f"{console}/jobs?search={job}")
    expect(row(page, job)).to_contain_text("rolled back")
    reason = row(page, job).locator(".reason")
    expect(reason).to_contain_text("Creating schema: ")
    assert reason.evaluate("one => one.clientHeight") < 45


def test_a_waiting_job_says_which_attempt_comes_when_and_is_found_as_such(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = new_job()
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        stack.run(payload_for(project_id))
    with held_clock(stack) as go_on, failing(stack, STAGES["creating_schema"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        # Jobs of other tests may wait as well.
        page.goto(f"{console}/jobs?search={project_id}")
        expect(row(page, job)).to_contain_text(re.compile(r"attempt 2 of 3, next in [45]:\d\d"))
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(row(page, job).locator(".reason")).to_contain_text("Creating schema: ")
        page.get_by_label("Outcome").select_option("waiting_to_retry")
        page.wait_for_url(f"**/jobs?search={project_id}&outcome=waiting_to_retry")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(row(page, job)).to_be_visible()
        go_on.set()
        stack.wait(arn)
    expect(page.locator("main").get_by_text("No job matches.")).to_be_visible()


def test_how_many_jobs_stand_at_which_stage_is_counted_and_leads_to_them(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = new_job()
    with held(stack, "CreateSchemaFunction"):
        arn = stack.start_execution(payload_for(project_id), job)
        page.goto(f"{console}/jobs")
        stage = page.get_by_role("navigation", name="Unfinished jobs by stage").get_by_text("Creating database")
        # Jobs of other tests may stand there as well.
        standing = {one.stage: one.jobs for one in overview.find_standing(control_plane.connect())}["creating_database"]
        expect(stage).to_contain_text(str(standing))
        stage.click()
        page.wait_for_url("**/jobs?stage=creating_database")
        expect(page.locator("tbody tr")).to_have_count(min(standing, PAGE_SIZE))
        expect(row(page, job)).to_contain_text("running")
    stack.wait(arn)


def test_a_job_that_step_functions_has_forgotten_is_still_listed_searched_and_paged(
    page: Page, console: str, stack: Stack
) -> None:
    mark = forgotten(stack, 27)
    page.goto(f"{console}/jobs")
    page.get_by_label("Search").fill(mark[2:])
    page.wait_for_url(f"**/jobs?search={mark[2:]}")
    expect(page.locator("tbody tr")).to_have_count(25)
    expect(row(page, f"{mark}1").locator(".reason")).to_have_text("Initializing: no room on any cluster")
    page.get_by_role("link", name="Older").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.reload()
    expect(row(page, f"{mark}27")).to_be_visible()
    page.get_by_role("link", name="Newest").click()
    expect(row(page, f"{mark}1")).to_be_visible()
    row(page, f"{mark}1").get_by_role("link").click()
    expect(page.locator("h1")).to_contain_text(mark)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_is_accessible_and_legible(page: Page, console: str, stack: Stack, scheme: Any) -> None:
    forgotten(stack, 1)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{console}/jobs")
    expect(page.locator("tbody tr").first).to_be_visible()
    assert_accessible(page)
    assert smallest_text(page) >= 12
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert smallest_text(page) >= 12


def test_the_list_is_used_with_the_keyboard_alone(page: Page, console: str, stack: Stack) -> None:
    mark = forgotten(stack, 1)
    page.goto(f"{console}/jobs")
    page.get_by_label("Search").focus()
    page.keyboard.type(mark)
    expect(page.locator("tbody tr")).to_have_count(1)
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == mark:
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{mark}1")
    assert eventually(lambda: mark in page.locator("h1").inner_text())
