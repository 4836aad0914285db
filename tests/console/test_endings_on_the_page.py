"""The page of a job that ended badly has its ending, from the ledger, and never says more than anybody knows."""

import re
import uuid

import pytest
from playwright.sync_api import Page, expect
from psycopg2 import sql

from local.stack import Stack
from provisioning import control_plane, endings
from provisioning.jobs.registry import state_machine_of
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.console.browsing import assert_accessible, execution_address, new_job, node, open_job
from tests.console.conftest import PATIENCE_MILLISECONDS
from tests.executions.running import ended, execute, payload_for, run
from tests.executions.stage_faults import named
from tests.executions.test_rollbacks import roll_back

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)

FORGOTTEN = """
    INSERT INTO control_plane.jobs
        (job_id, job_type, project_id, status, failed_stage, last_error_type, last_error_message, completed_at)
    VALUES ({job}, 'provision_project', 'p-of-old', 'failed', 'initializing', 'PROJECT_NOT_FOUND', 'it is gone', now())
"""
STEPS = """
    INSERT INTO control_plane.provisioning_steps (job_id, stage, position, status, attempt)
    VALUES ({job}, 'initializing', 1, 'failed', 3), ({job}, 'finalizing', 2, 'pending', 0)
"""


def not_permitted(*_: object) -> None:
    raise named("InsufficientPermissions")


def refuse(*_: object) -> None:
    raise RuntimeError("not now")


def text_of(job: str) -> str:
    return endings.find(control_plane.connect(), job).text


def test_an_incomplete_rollback_has_its_ending_what_is_left_and_both_commands(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    with (
        stack.runtime.replaced("CreateSchemaFunction", not_permitted),
        stack.runtime.replaced("DropDatabaseFunction", refuse),
    ):
        job = run(stack, payload_for(project_id)).job_id
    open_job(page, console, job)
    expect(page.locator("h1")).to_contain_text("rollback incomplete")
    expect(page.locator("#ending")).to_have_text(text_of(job))
    resources = page.get_by_role("region", name="Resources")
    expect(resources).to_contain_text(" with its roles and secret")
    expect(resources).to_contain_text(f"Next: provision rollback {job} or provision retry {job}")
    assert_accessible(page)


def test_a_job_that_nobody_could_close_is_stopped_and_its_rollback_is_the_next_command(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    with (
        stack.runtime.replaced("CreateDatabaseFunction", not_permitted),
        stack.runtime.replaced("RecordFailureFunction", refuse),
    ):
        job = run(stack, payload_for(project_id)).job_id
    open_job(page, console, job)
    expect(page.locator("h1")).to_contain_text("stopped")
    expect(page.locator("#ending")).to_contain_text("stopped: its execution ended with FailureNotRecorded")
    expect(page.get_by_role("region", name="Resources")).to_contain_text(f"Next: provision rollback {job}")
    roll_back(stack, job)
    open_job(page, console, job)
    expect(page.locator("#ending")).to_have_text(text_of(job))
    expect(page.locator("h1")).to_contain_text("rolled back")


def test_a_job_that_was_stopped_before_anyone_looked_is_not_said_to_have_made_nothing(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    with (
        stack.runtime.replaced("VerifyProjectFunction", not_permitted),
        stack.runtime.replaced("RecordFailureFunction", refuse),
    ):
        job = run(stack, payload_for(project_id)).job_id
    open_job(page, console, job)
    resources = page.get_by_role("region", name="Resources")
    expect(resources).to_contain_text("Nobody has looked what is left.")
    expect(resources).not_to_contain_text("Nothing")
    roll_back(stack, job)


def test_a_job_whose_execution_is_forgotten_is_shown_from_the_ledger_and_says_so(
    page: Page, console: str, stack: Stack
) -> None:
    job = f"job-{uuid.uuid4().hex[:12]}"
    execute(stack, sql.SQL(FORGOTTEN).format(job=sql.Literal(job)), "control_plane")
    execute(stack, sql.SQL(STEPS).format(job=sql.Literal(job)), "control_plane")
    page.goto(f"{console}/executions/{job}")
    expect(page.locator("h1")).to_contain_text("p-of-old")
    expect(page.locator(".banner").first).to_contain_text("Step Functions does not have this execution any more.")
    expect(page.locator("#ending")).to_have_text(text_of(job))
    expect(node(page, "Verify project")).to_have_class(re.compile("failed"))
    expect(node(page, "Verify project")).to_contain_text("failed on attempt 3")
    expect(node(page, "Finalize")).to_have_class(re.compile("waiting"))
    assert_accessible(page)
    answer = page.goto(f"{console}/executions/{new_job()}")
    assert answer is not None
    assert answer.status == 404


def test_an_execution_that_only_has_a_jobs_name_does_not_have_its_ending(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = run(stack, {"project_id": "p-nowhere", "region": "us-east-1"}).job_id
    refused = ended(stack, stack.start_execution({"project_id": project_id}, job, SUSPEND_PROJECT.job_type))
    assert state_machine_of(stack.state_machine_arn, SUSPEND_PROJECT.job_type) in refused.arn.replace(
        ":execution:", ":stateMachine:"
    )
    page.goto(execution_address(console, job, SUSPEND_PROJECT.job_type))
    expect(page.locator(".banner").first).to_contain_text("Nothing was touched")
    expect(page.locator("#ending")).to_have_count(0)
