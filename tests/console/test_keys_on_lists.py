"""Every page with a list is used with the keyboard alone, and says to screen readers what changes in it."""

import pytest
from playwright.sync_api import Page, expect
from psycopg2 import sql

from local.stack import Stack
from provisioning import control_plane
from provisioning.examination import recording
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.conftest import NewProject
from tests.console.browsing import assert_accessible, held, new_job
from tests.console.conftest import PATIENCE_MILLISECONDS
from tests.executions.running import execute, payload_for, run

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)

PAGES = ("projects", "jobs", "executions", "projects/{project}", "clusters")
SEARCHED = PAGES[:3]
ROWS = "main tbody th a, main .jobs-timeline > li > a"
MOST_STOPS = 12
"""Tab stops before the first row: the link to the content, five of the bar, the page's own button and its filters."""
TAKE_NOTES = """() => { window.said = []; new MutationObserver(() => said.push(announcer.textContent))
    .observe(announcer, { childList: true }); }"""
FOUND = "UPDATE control_plane.cluster_examinations SET findings = {findings} WHERE cluster_id = 'local'"


@pytest.fixture(scope="module")
def project(stack: Stack, new_project: NewProject) -> str:
    """A project with two jobs, beside another with one."""
    found, other = new_project(), new_project()
    run(stack, payload_for(other))
    run(stack, payload_for(found))
    stack.run({"project_id": found}, new_job(), job_type=SUSPEND_PROJECT.job_type)
    return found


def focused(page: Page) -> str | None:
    """The address that the focused link leads to."""
    return page.evaluate("document.activeElement.getAttribute('href')")  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", PAGES)
def test_j_and_k_go_through_the_rows_and_enter_opens_one(page: Page, console: str, project: str, path: str) -> None:
    page.goto(f"{console}/{path.format(project=project)}")
    rows = page.locator(ROWS).evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert rows
    reached = []
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
        reached.append(focused(page))
    assert reached == [rows[0], rows[min(1, len(rows) - 1)], rows[0]]
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console}{rows[0]}")


@pytest.mark.parametrize("path", SEARCHED)
def test_a_slash_searches_and_what_is_typed_is_no_key(page: Page, console: str, project: str, path: str) -> None:
    page.goto(f"{console}/{path}")
    expect(page.locator("body[data-live]")).to_be_attached()
    page.keyboard.press("/")
    page.keyboard.type("jk?/")
    field = page.locator("main [type=search]")
    expect(field).to_be_focused()
    expect(field).to_have_value("jk?/")
    # What was found is announced, and the field keeps the focus.
    expect(page.locator("#announcer")).to_have_text(f"No {path.removesuffix('s')} matches.")
    page.keyboard.press("Control+A")
    page.keyboard.type(project)
    found = {"projects": "1 project", "jobs": "2 jobs", "executions": "2 executions"}
    expect(page.locator("#announcer")).to_have_text(found[path])
    expect(field).to_be_focused()


@pytest.mark.parametrize("path", PAGES)
def test_a_question_mark_lists_the_keys_and_tab_reaches_the_first_row(
    page: Page, console: str, project: str, path: str
) -> None:
    page.goto(f"{console}/{path.format(project=project)}")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    first, stops = page.locator(ROWS).first.get_attribute("href"), list[str | None]()
    while first not in stops and len(stops) <= MOST_STOPS:
        page.keyboard.press("Tab")
        stops.append(focused(page))
    assert first in stops
    assert stops[0] == "#main"


def test_a_form_is_filled_and_sent_with_the_keyboard_alone(page: Page, console: str, project: str) -> None:
    page.goto(f"{console}/start/suspend_project")
    field = page.get_by_label("Project id", exact=True)
    # The link to the content, the content, and the other job types come before it.
    for _ in range(20):
        page.keyboard.press("Enter" if focused(page) == "#main" else "Tab")
        if field.evaluate("one => one === document.activeElement"):
            break
    expect(field).to_be_focused()
    page.keyboard.type("no such project")
    page.keyboard.press("Enter")
    expect(page.locator(".field.refused")).to_contain_text("must match")
    expect(field).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type(f"{project}j?")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog", name="Start this job?")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    expect(question.get_by_role("button", name="Start")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(field).to_have_value(project)


@pytest.mark.parametrize(
    ("path", "text"), [("jobs", "{project}, provision project: {status}"), ("projects", "{project}: {project_status}")]
)
def test_only_the_rows_that_change_are_announced(
    page: Page, console: str, stack: Stack, project: str, project_id: str, path: str, text: str
) -> None:
    page.goto(f"{console}/{path}")
    expect(page.locator("body[data-live]")).to_be_attached()
    page.evaluate(TAKE_NOTES)
    job, announcer = new_job(), page.locator("[aria-live=polite]#announcer")
    with held(stack, "CreateSchemaFunction"):
        arn = stack.start_execution(payload_for(project_id), job)
        expect(announcer).to_have_text(text.format(project=project_id, status="running", project_status="provisioning"))
    stack.wait(arn)
    expect(announcer).to_have_text(text.format(project=project_id, status="succeeded", project_status="active"))
    said = page.evaluate("said")
    assert all(project_id in one and project not in one for one in said)
    assert len(said) <= 3


def test_many_changes_at_once_are_told_in_one_sentence(page: Page, console: str, stack: Stack) -> None:
    page.goto(f"{console}/jobs")
    expect(page.locator("body[data-live]")).to_be_attached()
    page.evaluate(TAKE_NOTES)
    rows = sql.SQL(
        "INSERT INTO control_plane.jobs (job_id, job_type, project_id, status, completed_at)"
        " SELECT {job} || n, 'provision_project', 'p-many-' || n, 'failed', now() FROM generate_series(1, 9) AS n"
    )
    execute(stack, rows.format(job=sql.Literal(new_job())), "control_plane")
    expect(page.locator("#announcer")).to_contain_text("6 more changed")
    (said,) = page.evaluate("said")
    assert said.count(": failed") == 3


def test_what_upkeep_finds_about_a_cluster_is_announced(page: Page, console: str, stack: Stack) -> None:
    (cluster,) = [one for one in control_plane.connect().clusters() if one.cluster_id == "local"]
    recording.record(control_plane.connect(), cluster)
    execute(stack, sql.SQL(FOUND).format(findings=sql.Literal("[]")), "control_plane")
    page.goto(f"{console}/clusters")
    expect(page.locator("body[data-live]")).to_be_attached()
    execute(stack, sql.SQL(FOUND).format(findings=sql.Literal('["no room"]')), "control_plane")
    expect(page.locator("#announcer")).to_have_text("local: 1 found")
    assert_accessible(page)
    recording.record(control_plane.connect(), cluster)
