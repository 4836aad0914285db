"""Whoever looks at a refused job later gets its next command with all that the job was asked for."""

import json
import shlex
import uuid
from typing import NamedTuple

import pytest

from cli.app import app
from cli.connection import of_stack
from local.stack import Stack
from provisioning.requests import changing
from provisioning.requests.refusals import JobNotEligible
from tests.api.asking import get
from tests.cli.commanding import api_of, provision
from tests.conftest import TIME_SCALE
from tests.executions.running import execute
from tests.other_server import chosen_version

pytestmark = pytest.mark.slow

FULL = "UPDATE control_plane.clusters SET capacity = {}"
OPTIONS = ["--org", "org-test", "--owner", "user-test", "--service", "auth", "--service", "pooler", "--from"]


class Refused(NamedTuple):
    """A job that was refused, with a project of its own."""

    stack: Stack
    project_id: str
    job_id: str
    source: str
    """The file that was given."""

    @property
    def words(self) -> str:
        """The command that repeats it, as each view names it."""
        return f"provision create {self.project_id} {shlex.join(OPTIONS)} FILE"


@pytest.fixture(scope="module")
def refused(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Refused:
    project, source = f"full-{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("given") / "given.json"
    payload = {"api_keys": {"count": 3}, "database": {"version": chosen_version()}}
    source.write_text(json.dumps(payload))
    execute(stack, FULL.replace("{}", "0"), "control_plane")
    try:
        assert provision(stack, "create", project, *OPTIONS, str(source)) == 1
    finally:
        execute(stack, FULL.replace("{}", "100000"), "control_plane")
    return Refused(stack, project, str(get(f"/v1/jobs?project_id={project}")["jobs"][0]["job_id"]), str(source))


@pytest.mark.parametrize("command", ["job", "watch", "show"])
def test_every_command_that_shows_the_job_names_all_of_it(
    refused: Refused, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(refused.stack, command, refused.job_id)
    where = f"--state-dir {shlex.quote(str(refused.stack.state_directory))} "
    assert refused.words in capsys.readouterr().out.replace(where, "")


def test_the_api_names_all_of_it_in_the_ending_and_its_next_command(refused: Refused) -> None:
    ending = get(f"/v1/jobs/{refused.job_id}")["ending"]
    assert ending["text"].endswith(f", then {refused.words}.")
    assert ending["next_command"].endswith(f", then {refused.words}")


def test_the_console_names_all_of_it(refused: Refused) -> None:
    sources = of_stack(refused.stack.endpoint_url, refused.stack.state_machine_arn, TIME_SCALE)
    ending = sources.ledger.ending(refused.job_id, sources.executions.describe)
    assert ending is not None
    assert ending.text.endswith(f", then {refused.words}.")


def test_the_execution_itself_names_all_of_it(refused: Refused) -> None:
    sources = of_stack(refused.stack.endpoint_url, refused.stack.state_machine_arn, TIME_SCALE)
    arn = sources.executions.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{refused.job_id}"
    described = sources.executions.describe(arn)
    assert described is not None
    assert described["cause"].endswith(f", then {refused.words}.")


def test_whoever_tries_to_retry_it_is_told_all_of_it(refused: Refused) -> None:
    with pytest.raises(JobNotEligible, match=f"never opened, so its payload is not stored: .*, then {refused.words}$"):
        changing.find_retried(refused.job_id)


def test_the_command_does_all_of_it_with_the_file_in_its_place(
    refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(refused.stack, "job", refused.job_id)
    last = [line for line in capsys.readouterr().out.splitlines() if " Next: " in line][-1]
    again = shlex.split(last.rpartition("provision ")[2].removesuffix("."))
    with pytest.raises(SystemExit) as ended:
        app([refused.source if word == "FILE" else word for word in again])
    assert (ended.value.code, again[0]) == (0, "create")
    found = api_of(refused.stack).project(refused.project_id)
    assert sorted(one["service"] for one in found["services"]) == ["auth", "pooler"]
    assert len(get(f"/v1/projects/{refused.project_id}/api-keys")["api_keys"]) == 3
