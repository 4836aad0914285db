"""No secret of a job that succeeded, or of one that failed, is on any page or in the terminal."""

import io

import pytest
from playwright.sync_api import Page, expect
from rich.console import Console

from cli import project_view
from cli.following import follow, print_job
from cli.history_view import print_history
from console.executions import Executions
from local.stack import Stack
from tests.cli.commanding import api_of
from tests.conftest import NewProject
from tests.console.browsing import execution_address, open_job
from tests.console.conftest import PATIENCE_MILLISECONDS
from tests.executions.running import SERVICES, keep_logs, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.isolation.secret_search import Secrets, found_in

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)

Runs = tuple[dict[str, str], list[str]]


@pytest.fixture(scope="module")
def runs(stack: Stack, new_project: NewProject) -> Runs:
    """The secrets of two jobs with every service, and the jobs: the second fails once its keys are made."""
    keep_logs(stack)
    secrets = Secrets(stack)
    jobs = [run(stack, payload_for(new_project(), *SERVICES)).job_id]
    secrets.gather()
    with failing(stack, STAGES["finalizing"], Fault.ERROR):
        jobs.append(run(stack, payload_for(new_project(), *SERVICES)).job_id)
    return secrets.named, jobs


def test_no_secret_is_on_a_page(page: Page, console: str, runs: Runs) -> None:
    secrets, jobs = runs
    shown = []
    for job in jobs:
        open_job(page, console, job)
        stages = page.locator('[data-key^="state-"]')
        for number in range(stages.count()):
            stages.nth(number).click()
            expect(page.locator(".state-head")).to_contain_text(stages.nth(number).inner_text())
            shown.append(page.content())
        page.locator('[data-key="state-Generate API keys"]').click()
        expect(page.locator(".attempt").first).to_contain_text("attempt succeeded")
        shown += [page.content(), page.request.get(f"{execution_address(console, job)}/history.json").text()]
        page.goto(console)
        page.wait_for_selector("table")
        shown.append(page.content())
    assert found_in("\n".join(shown).encode(), secrets) == []


def test_no_secret_is_in_the_terminal(stack: Stack, runs: Runs) -> None:
    secrets, jobs = runs
    written = io.StringIO()
    terminal = Console(file=written, width=200)
    api = api_of(stack)
    for job in jobs:
        follow(api, job, terminal)
        ended = follow(api, job, terminal, as_json=True)
        print_job(ended, terminal)
        print_history(job, Executions(stack.client("stepfunctions"), stack.state_machine_arn), terminal)
        project_view.print_project(api, api.project(ended["project_id"]), terminal)
        project_view.print_keys(api, ended["project_id"], terminal) if ended["outcome"] == "succeeded" else None
    assert "succeeded. Next: " in written.getvalue()
    assert "FinalizationFailed" in written.getvalue()
    assert found_in(written.getvalue().encode(), secrets) == []
