"""Real commands in a pseudo-terminal of 60 and of 120 columns: nothing is cut, and Ctrl-C ends only the command."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from local.exit_codes import ExitCode
from local.stack import Stack
from tests.cli.pseudo_terminal import PROVISION, environment, show
from tests.conftest import NewProject
from tests.executions.running import Ran, payload_for, run
from tests.executions.waiting import waiting as waiting_job

pytestmark = pytest.mark.slow

ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def ran(stack: Stack, new_project: NewProject) -> Ran:
    return run(stack, payload_for(new_project(), "storage"))


@pytest.fixture
def waiting(stack: Stack, project_id: str) -> Iterator[str]:
    """A job that waits for its next attempt."""
    with waiting_job(stack, project_id) as job_id:
        yield job_id


def document(stack: Stack, *arguments: str) -> Any:
    """What a command prints with --json."""
    command = [*PROVISION, *arguments, "--json"]
    done = subprocess.run(command, env=environment(stack.state_directory), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_wide_terminal_shows_jobs_as_a_table_and_a_narrow_one_as_records(stack: Stack, ran: Ran) -> None:
    known = environment(stack.state_directory, NO_COLOR="1")
    wide = show("jobs", ran.output["project_id"], columns=200, variables=known)
    narrow = show("jobs", ran.output["project_id"], columns=60, variables=known)
    assert re.search(rf"^{ran.job_id}  +provision_project  +{ran.output['project_id']} ", wide.text, re.MULTILINE)
    assert re.search(rf"^Job +{ran.job_id}\r$", narrow.text, re.MULTILINE)
    assert re.search(r"^Progress +100 %\r$", narrow.text, re.MULTILINE)


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("command", ["show", "job", "jobs", "keys", "whose", "watch"])
def test_no_id_or_address_is_broken(stack: Stack, ran: Ran, command: str, columns: int) -> None:
    named = {"whose": ran.output["tenant_id"]}.get(command, ran.output["project_id"])
    shown = show(command, named, columns=columns, variables=environment(stack.state_directory, NO_COLOR="1"))
    assert shown.code == 0
    assert "\u2026" not in shown.text
    ids = [ran.output["project_id"]] if command != "keys" else [document(stack, "keys", named)["api_keys"][0]["key_id"]]
    if command == "show":
        ids.append(ran.output["services"]["storage"]["endpoint"])
    assert [one for one in ids if one not in shown.text] == []


@pytest.mark.parametrize("command", ["ls", "jobs", "show", "job", "keys", "whose"])
def test_the_document_is_that_of_the_api(stack: Stack, ran: Ran, command: str) -> None:
    named = {"ls": [], "whose": [ran.output["tenant_id"]]}.get(command, [ran.output["project_id"]])
    found = document(stack, command, *named)
    whole = json.dumps(found)
    assert ran.output["project_id"] in whole or command == "keys"
    keys = {
        "ls": "projects",
        "jobs": "jobs",
        "show": "tenant",
        "job": "steps",
        "keys": "api_keys",
        "whose": "tenant_id",
    }
    assert keys[command] in found


def test_no_colour_is_written_where_none_is_wanted(stack: Stack, ran: Ran) -> None:
    known = environment(stack.state_directory, TERM="xterm")
    green = re.compile(rf"{ESCAPE}\[(\d+;)*32m")
    assert green.search(show("job", ran.job_id, columns=120, variables=known).text)
    assert not green.search(show("job", ran.job_id, columns=120, variables=known | {"NO_COLOR": "1"}).text)


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "xterm", "PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_cannot_redraw_gets_lines(stack: Stack, ran: Ran, variables: dict[str, str]) -> None:
    shown = show("watch", ran.job_id, columns=60, variables=environment(stack.state_directory) | variables)
    assert (shown.code, f"{ESCAPE}[?25l" in shown.text) == (0, False)
    assert "100 %  finalizing" in shown.text


@pytest.fixture
def heeding_interrupts() -> Iterator[None]:
    """Let no command inherit an ignored SIGINT: where a script runs these tests in the background, they have one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_interrupts")
@pytest.mark.parametrize("columns", [60, 120])
def test_ctrl_c_says_that_the_job_is_still_running(stack: Stack, waiting: str, columns: int) -> None:
    def interrupt(process: subprocess.Popen[bytes], text: str) -> None:
        # Once, when the stages are shown: from then on the job is followed.
        if "creating_schema" in text and not interrupted:
            interrupted.append(True)
            process.send_signal(signal.SIGINT)

    interrupted: list[bool] = []
    known = environment(stack.state_directory, TERM="dumb")
    shown = show("watch", waiting, columns=columns, variables=known, on_text=interrupt)
    assert shown.code == ExitCode.INTERRUPTED
    assert re.search(rf"still running: \S*provision watch .*{waiting}$", shown.lines[-1])
    assert "Traceback" not in shown.text
