"""After `down` and `up` everything that the ledger knows is still listed and can be asked for."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import urllib3

from tests.cli.test_command_line import EVENT, in_state, provision, start, state_of

pytestmark = pytest.mark.slow


class Restarted(NamedTuple):
    """A stack that was stopped and started again."""

    state: Path
    job: str
    """A job that had succeeded before."""
    refused: str
    """A job that had been refused."""
    tenant_id: str


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarted]:
    state = tmp_path_factory.mktemp("state") / "stack"
    provision("up", "--port", "0", state=state)
    try:
        ran = provision("create", "--from", EVENT, state=state).stdout
        refused = start(state_of(state), state)
        provision("watch", refused, state=state, expect=1)
        shown = provision("show", "demo-project", state=state).stdout
        provision("down", state=state)
        provision("up", "--port", "0", state=state)
        (job,) = re.findall(r"^Job (\S+)$", ran, re.MULTILINE)
        (tenant_id,) = re.findall(r"^Tenant +(\S+),", shown, re.MULTILINE)
        yield Restarted(state, job, refused, tenant_id)
    finally:
        provision("down", state=state)


@pytest.mark.parametrize("arguments", [["ls"], ["jobs"], ["jobs", "demo-project"], ["show", "demo-project"]])
def test_projects_and_jobs_are_still_listed(restarted: Restarted, arguments: list[str]) -> None:
    said = provision(*arguments, state=restarted.state).stdout
    assert "demo-project" in said
    assert restarted.job in said


def test_a_tenant_still_tells_whose_it_is(restarted: Restarted) -> None:
    said = provision("whose", restarted.tenant_id, state=restarted.state).stdout
    assert "demo-project" in said
    assert f"{restarted.job}, succeeded" in said


@pytest.mark.parametrize("command", ["job", "watch"])
def test_a_job_still_says_how_it_ended_and_what_is_next(restarted: Restarted, command: str) -> None:
    assert "succeeded. Next: " in provision(command, restarted.job, state=restarted.state).stdout
    code = 1 if command == "watch" else 0
    said = provision(command, restarted.refused, state=restarted.state, expect=code).stdout
    assert "failed: initializing failed: the project demo-project is active" in said


def test_what_comes_from_the_ledger_because_the_history_is_gone_says_so(restarted: Restarted) -> None:
    assert "this comes from the ledger" in provision("history", restarted.job, state=restarted.state).stdout


def test_a_retry_after_the_restart_says_why_there_is_none(restarted: Restarted) -> None:
    error = provision("retry", restarted.job, state=restarted.state, expect=5).stderr
    assert f"the job {restarted.job} is succeeded: there is nothing to retry" in error


def test_the_execution_view_still_lists_them_and_has_their_pages(restarted: Restarted) -> None:
    command = [sys.executable, "-m", "cli.app", "console", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=in_state(restarted.state)) as console:
        try:
            assert console.stdout
            address = console.stdout.readline().removeprefix("The console: ").strip()
            pages = {
                path: urllib3.request("GET", f"{address}{path}").data.decode()
                for path in ("jobs", "projects", "projects/demo-project", f"tenants/{restarted.tenant_id}")
            }
        finally:
            console.terminate()
    assert restarted.refused in pages["jobs"]
    assert 'data-project="demo-project"' in pages["projects"]
    for path in ("jobs", "projects/demo-project", f"tenants/{restarted.tenant_id}"):
        assert restarted.job in pages[path], path
    # The newest one.
    assert restarted.refused in pages["projects"]
    assert "the project demo-project is active" in pages["jobs"]
