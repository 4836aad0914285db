"""provision logs prints a job's log lines, and provision open leads to its page in the execution view."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from cli import execution_view
from local.errors import Unavailable
from local.exit_codes import ExitCode
from local.stack import Stack
from tests.cli.pseudo_terminal import PROVISION, environment
from tests.conftest import NewProject
from tests.executions.running import Ran, payload_for, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ran(stack: Stack, new_project: NewProject) -> Ran:
    return run(stack, payload_for(new_project()))


@pytest.fixture(scope="module")
def console(stack: Stack) -> Iterator[str]:
    """The address of a console of the stack."""
    command = [*PROVISION, "console", "--port", "0"]
    with subprocess.Popen(
        command, env=environment(stack.state_directory), stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        yield serving.stdout.readline().removeprefix("The console: ").strip()
        serving.terminate()


def provision(stack: Stack, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    known = environment(stack.state_directory) | variables
    return subprocess.run([*PROVISION, *arguments], env=known, capture_output=True, text=True, check=False)


def test_the_lines_of_a_job_are_in_order_and_have_no_other_jobs(
    stack: Stack, ran: Ran, new_project: NewProject
) -> None:
    run(stack, payload_for(new_project()))
    done = provision(stack, "logs", ran.job_id, "--json")
    lines = json.loads(done.stdout)["lines"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert next(line["stage"] for line in lines if line["message"] == "attempt started") == "initializing"
    assert lines[-1]["message"] == "attempt succeeded"
    assert all("correlation_id" not in line["details"] for line in lines)
    assert done.stderr == ""


def test_a_line_has_its_stage_and_its_fields(stack: Stack, ran: Ran) -> None:
    done = provision(stack, "logs", ran.output["project_id"])
    assert len(done.stdout.splitlines()) > 1, done.stdout + done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.endswith("INFO initializing attempt started")
    assert "INFO finalizing attempt succeeded seconds=" in last


def test_an_unknown_job_has_no_log(stack: Stack) -> None:
    done = provision(stack, "logs", "nobody")
    assert (done.returncode, done.stdout) == (ExitCode.NOT_FOUND, "")


def test_an_unknown_log_group_is_named(stack: Stack, ran: Ran) -> None:
    done = provision(stack, "logs", ran.job_id, "--log-group", "/aws/lambda/nothing")
    assert done.returncode == ExitCode.NOT_FOUND
    assert "there is no log group /aws/lambda/nothing" in done.stderr


def test_the_address_of_a_project_is_that_of_its_job(stack: Stack, ran: Ran, console: str) -> None:
    done = provision(stack, "open", ran.output["project_id"], PROVISIONER_CONSOLE=console)
    assert done.stdout.strip() == f"{console}executions/{ran.job_id}"
    with urllib.request.urlopen(done.stdout.strip()) as page:  # noqa: S310 (the test's own console)
        assert page.status == 200
    assert provision(stack, "open", "--console", console).stdout.strip() == console


def test_without_a_console_nothing_is_started_and_the_way_is_said(stack: Stack, ran: Ran) -> None:
    done = provision(stack, "open", ran.job_id, "--console", "http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (ExitCode.UNAVAILABLE, "")
    assert "no console answers at http://127.0.0.1:1: start one with " in done.stderr


def test_another_server_is_no_console(stack: Stack) -> None:
    with pytest.raises(Unavailable, match="no console answers"):
        execution_view.address_of(stack.endpoint_url, None)
