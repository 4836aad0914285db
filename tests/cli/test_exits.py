"""Each class of end, with the real command: its exit code, and with --json its document on stderr."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.exit_codes import ExitCode
from local.stack import Stack
from local.template import REPOSITORY

pytestmark = pytest.mark.slow

NOWHERE = Path("/nonexistent/state")


def provision(*arguments: str | Path, state: Path = NOWHERE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.app", *map(str, arguments)]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "functions")])
    environment = os.environ | {"PYTHONPATH": path, "PROVISIONER_STATE_DIR": str(state)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL
    )


def test_a_command_that_succeeds_ends_with_0(stack: Stack, project_id: str) -> None:
    done = provision("show", project_id, state=stack.state_directory)
    assert (done.returncode, done.stderr, project_id in done.stdout) == (ExitCode.OK, "", True)


def test_an_examination_that_finds_something_ends_with_1(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "0001_wrong.sql").write_text("SELECT nothing;")
    done = provision("schema", "check", tmp_path)
    assert (done.returncode, "does not exist" in done.stdout) == (ExitCode.FAILED, True), done.stderr


@pytest.mark.parametrize(
    "arguments", [["show"], ["show", "--nothing", "p"], ["nothing"], ["create", "--from", "no/such/file"]]
)
def test_a_wrong_command_line_ends_with_2(stack: Stack, arguments: list[str]) -> None:
    assert provision(*arguments, state=stack.state_directory).returncode == ExitCode.USAGE


@pytest.mark.parametrize("arguments", [["show", "nobody"], ["keys", "nobody"], ["whose", "x" * 20], ["job", "nobody"]])
def test_what_does_not_exist_ends_with_3(stack: Stack, arguments: list[str]) -> None:
    assert provision(*arguments, state=stack.state_directory).returncode == ExitCode.NOT_FOUND


def test_what_exists_already_ends_with_4(stack: Stack, project_id: str) -> None:
    done = provision("create", project_id, "--org", "o", "--owner", "u", state=stack.state_directory)
    assert done.returncode == ExitCode.ALREADY_EXISTS


def test_what_is_in_the_way_ends_with_5(stack: Stack, project_id: str) -> None:
    done = provision("keys", project_id, "--reveal", state=stack.state_directory)
    assert done.returncode == ExitCode.CONFLICT, done.stderr


def test_a_start_in_the_background_ends_as_its_process_does(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = provision("up", "--port", str(taken.getsockname()[1]), state=tmp_path)
    assert (done.returncode, "is taken" in done.stderr) == (ExitCode.CONFLICT, True)


def test_a_refused_password_ends_with_6(stack: Stack) -> None:
    secrets = stack.client("secretsmanager")
    admin = json.loads(secrets.get_secret_value(SecretId="provisioner/clusters/local")["SecretString"])
    secrets.create_secret(Name="refused-password", SecretString=json.dumps(admin | {"password": "wrong"}))
    done = provision("rotate", "refused-password", state=stack.state_directory)
    assert (done.returncode, "password was refused" in done.stderr) == (ExitCode.DENIED, True)


@pytest.mark.parametrize("arguments", [["show", "p"], ["down"], ["console"]])
def test_a_stack_that_does_not_run_ends_with_7(arguments: list[str]) -> None:
    assert provision(*arguments).returncode == ExitCode.UNAVAILABLE


def test_a_stack_that_cannot_be_used_ends_with_8(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    assert provision("up", "--foreground", state=tmp_path).returncode == ExitCode.UNUSABLE


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["whose", "t", "--nothing"], ExitCode.USAGE, "UsageError"),
        (["whose", "x" * 20], ExitCode.NOT_FOUND, "NotFound"),
        (["watch", "nobody"], ExitCode.NOT_FOUND, "JobNotFound"),
        (["organization", "set", "o"], ExitCode.USAGE, "UsageError"),
    ],
)
def test_an_error_is_a_json_document_if_json_was_asked_for(
    stack: Stack, arguments: list[str], code: ExitCode, name: str
) -> None:
    plain = provision(*arguments, state=stack.state_directory)
    done = provision(*arguments, "--json", state=stack.state_directory)
    document = json.loads(done.stderr)
    assert (plain.returncode, done.returncode, done.stdout) == (code, code, "")
    assert (document["type"], document["exit_code"]) == (name, code)
    assert document["detail"] in plain.stderr
