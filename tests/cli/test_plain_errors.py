"""What goes wrong outside the program is said in one line, without a traceback."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from cli.app import app
from local import daemon, state
from local.exit_codes import ExitCode
from local.stack import Stack
from tests.cli.test_command_line import EVENT, in_state, one_line, provision

pytestmark = pytest.mark.slow

DEEP = "[" * 200_000 + "]" * 200_000
NOT_AN_ARGUMENT = os.fsdecode(b"\xff")

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that fails, and return its one line.

    A process has one stack, so another one is started in a process of its own.
    """

    def run(directory: Path, *arguments: str | Path) -> str:
        if arguments[0] == "up":
            return one_line(provision(*arguments, "--state-dir", directory, expect=8).stderr)
        with patch.dict(os.environ), pytest.raises(SystemExit) as ended:
            app([*map(str, arguments), "--state-dir", str(directory)])
        assert ended.value.code not in {ExitCode.OK, ExitCode.FAILED}
        return one_line(capsys.readouterr().err)

    return run


def a_file(path: Path) -> Path:
    path.write_text("x")
    return path


def a_directory_with(name: str, content: str | None) -> Callable[[Path], Path]:
    """Make a state directory in which that name is a file with this content, or a directory."""

    def make(path: Path) -> Path:
        (path / name).parent.mkdir(parents=True)
        (path / name).mkdir() if content is None else (path / name).write_text(content)
        return path

    return make


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (a_file, "cannot hold the stack's state: File exists"),
        (lambda path: a_file(path) / "below", "cannot hold the stack's state: Not a directory"),
        (lambda _: Path("/proc/none"), "cannot hold the stack's state: "),
        (a_directory_with("lock", None), "lock: Is a directory"),
        (a_directory_with("stack.json", "{"), "stack.json is damaged"),
        (a_directory_with("stack.json", "[]"), "stack.json is damaged"),
        (a_directory_with("stack.json", DEEP), "stack.json is damaged"),
        (a_directory_with("secrets/a.json", "junk"), "a.json is not a secret as the stack writes it"),
        (a_directory_with("registrations.sqlite3", "junk"), "registrations.sqlite3 cannot be used"),
        (a_directory_with("moto.log", None), "moto.log: Is a directory"),
        (a_directory_with("postgres/data", "x"), "Not a directory"),
    ],
)
def test_a_state_directory_that_cannot_be_used_is_named(
    refused: Refused, tmp_path: Path, make: Callable[[Path], Path], named: str
) -> None:
    assert named in refused(make(tmp_path / "state"), "up", "--port", "0", "--foreground")


@pytest.mark.parametrize("make", [a_file, a_directory_with("stack.log", None), a_directory_with("secrets/a.json", "x")])
def test_a_stack_that_does_not_start_in_the_background_says_why(
    refused: Refused, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    assert "Error" not in refused(make(tmp_path / "state"), "up", "--port", "0")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize(("option", "said"), [("size=200k", "No space left"), ("ro", "Read-only file system")])
def test_a_disk_that_cannot_be_written_to_is_named(refused: Refused, tmp_path: Path, option: str, said: str) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        assert said in refused(tmp_path, "up", "--port", "0", "--foreground")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("command", [["job", "j"], ["create", "--from", EVENT], ["doctor"], ["console"]])
def test_a_file_in_the_place_of_the_state_is_no_running_stack(
    refused: Refused, tmp_path: Path, command: list[str | Path]
) -> None:
    assert refused(a_file(tmp_path / "state"), *command).startswith("the stack is not running")


@pytest.mark.parametrize("content", [DEEP.encode(), b"9" * 5000, b"\xff", None], ids=["deep", "long", "latin", "dir"])
def test_a_payload_that_cannot_be_read_is_said_in_one_line(
    refused: Refused, stack: Stack, tmp_path: Path, content: bytes | None
) -> None:
    event = tmp_path / "event.json"
    event.mkdir() if content is None else event.write_bytes(content)
    assert refused(stack.state_directory, "create", "--from", event).startswith(f"{event} cannot be read: ")


@pytest.mark.parametrize("command", ["job", "watch", "history", "show", "keys", "rollback", "retry", "suspend"])
def test_a_name_that_is_not_utf8_is_said_in_one_line(refused: Refused, stack: Stack, command: str) -> None:
    assert "is not text in UTF-8" in refused(stack.state_directory, command, NOT_AN_ARGUMENT)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[]", "is not a JSON object"),
        (DEEP[:60_000], "is not a JSON object"),
        ('{"username": "u"}', "has no host, port, dbname, password"),
        ({"password": "wrong"}, "the password was refused"),
        ({"password": "\ud800"}, "has an unusable password"),
        ({"password": "a\0b"}, "has an unusable password"),
        ({"port": "x"}, "has an unusable port"),
        ({"dbname": ["a"]}, "has an unusable dbname"),
    ],
    ids=["array", "deep", "fields", "refused", "half a character", "NUL", "port", "list"],
)
def test_a_wrong_secret_is_said_in_one_line(
    refused: Refused, stack: Stack, wrong: str | dict[str, object], said: str, request: pytest.FixtureRequest
) -> None:
    name, secrets = re.sub(r"\W", "-", request.node.name), stack.client("secretsmanager")
    admin = json.loads(secrets.get_secret_value(SecretId="provisioner/clusters/local")["SecretString"])
    secrets.create_secret(Name=name, SecretString=wrong if isinstance(wrong, str) else json.dumps(admin | wrong))
    for command in (["rotate", name], ["cluster", "add", "other", "--secret", name, "--capacity", "1"]):
        line = refused(stack.state_directory, *command)
        assert said in line
        assert admin["password"] not in line


def test_a_command_waits_for_a_stack_that_is_starting(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    up = [sys.executable, "-m", "cli.app", "up", "--port", "0"]
    with (
        subprocess.Popen(up, env=in_state(directory), stdout=subprocess.PIPE, text=True) as starting,
        patch.dict(os.environ),
    ):
        try:
            while state.holder(directory) is None:
                assert starting.poll() is None
            assert "ready" not in (directory / "lock").read_text()
            found = daemon.connect(directory)
            assert found.endpoint_url in starting.communicate(timeout=60)[0]
        finally:
            provision("down", state=directory)


def test_a_host_that_is_no_name_is_said_in_one_line(refused: Refused, stack: Stack) -> None:
    error = refused(stack.state_directory, "console", "--host", "a..b", "--port", "0")
    assert error.startswith("cannot listen on a..b:0: ")
