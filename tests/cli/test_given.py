"""A hint repeats the options that say where the command works, so that it can be typed as it is printed."""

import shlex
import uuid
from pathlib import Path

import pytest

from cli.app import app
from cli.terminal import typed
from local.stack import Stack
from tests.cli.commanding import api_of, provision
from tests.executions.running import execute, payload_for, run


def called(directory: Path, *arguments: str) -> None:
    """Run a command that fails, with what is given."""
    with pytest.raises(SystemExit):
        app([*arguments, "--state-dir", str(directory)])


def words(hint: str) -> list[str]:
    """The words of a hint after the program."""
    return shlex.split(hint.partition("provision ")[2])


@pytest.mark.parametrize(
    ("hint", "options"),
    [
        ("provision rollback j", ["rollback", "--state-dir", "DIRECTORY", "j"]),
        ("provision cluster add c --secret s", ["cluster", "add", "--state-dir", "DIRECTORY", "c", "--secret", "s"]),
        ("provision schema check", ["schema", "check"]),
        ("provision nothing", ["nothing"]),
    ],
)
def test_a_hint_has_what_was_given_as_far_as_its_command_takes_it(
    tmp_path: Path, hint: str, options: list[str]
) -> None:
    directory = tmp_path / "of mine"
    called(directory, "job", "j")
    assert words(typed(hint)) == [str(directory) if word == "DIRECTORY" else word for word in options]


def test_a_hint_has_nothing_that_was_not_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROVISIONER_STATE_DIR", str(tmp_path))
    with pytest.raises(SystemExit):
        app(["job", "j"])
    assert words(typed("provision rollback j")) == ["rollback", "j"]


def test_both_commands_of_a_hint_have_it(tmp_path: Path) -> None:
    called(tmp_path, "job", "j")
    assert typed("provision rollback j or provision retry j").count(f"--state-dir {tmp_path}") == 2


def test_an_endpoint_is_repeated_with_its_profile_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    where = ["--endpoint", "ftp://nowhere", "--profile", "mine", "--aws-region", "eu-west-1"]
    with pytest.raises(SystemExit):
        app(["job", "j", *where])
    assert words(typed("provision retry j")) == ["retry", *where, "j"]
    assert words(typed("provision doctor")) == ["doctor"]


HINT = "provision create p --org ORGANIZATION --owner OWNER"


@pytest.mark.parametrize(
    ("command", "hint", "repeated"),
    [
        (
            ["create", "p", "--service", "auth", "--service", "pooler"],
            "provision create p",
            "--service auth --service pooler p",
        ),
        (["create", "p", "--org", "o"], HINT, "--org o p --owner OWNER"),
        (["create", "p", "--org", "o", "--service", "auth"], "provision plan p", "--org o --service auth p"),
        (["create", "--from", "a b.json"], "provision create p", "--from 'a b.json' p"),
        (["create", "p", "--service", "auth"], "provision show p", "p"),
        (["suspend", "p", "--from", "f.json"], "provision suspend p", "--from f.json p"),
        (["suspend", "p", "--from", "f.json"], HINT, "p --org ORGANIZATION --owner OWNER"),
        (["plan", "p", "--service", "auth"], "provision create p", "p"),
        (
            ["create", "p", "--org", "o", "--service", "auth"],
            "provision create p --org o --service auth",
            "p --org o --service auth",
        ),
        (
            ["create", "p", "--from", "f.json"],
            "provision create p --service auth --from FILE",
            "--from f.json p --service auth",
        ),
    ],
)
def test_what_makes_the_payload_is_repeated_for_the_same_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str], hint: str, repeated: str
) -> None:
    monkeypatch.setenv("PROVISIONER_STATE_DIR", str(tmp_path))
    with pytest.raises(SystemExit):
        app(command)
    assert words(typed(hint))[1:] == shlex.split(repeated)


def test_a_job_that_is_refused_names_the_command_with_all_that_was_given(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    project = f"full-{uuid.uuid4().hex[:8]}"
    whose = ["--org", "org-test", "--owner", "user-test", "--service", "auth"]
    execute(stack, "UPDATE control_plane.clusters SET capacity = 0", "control_plane")
    try:
        assert provision(stack, "create", project, *whose) == 1
        last = [line for line in capsys.readouterr().out.splitlines() if " Next: " in line][-1]
    finally:
        execute(stack, "UPDATE control_plane.clusters SET capacity = 100000", "control_plane")
    again = shlex.split(last.rpartition("provision ")[2].rstrip("."))
    with pytest.raises(SystemExit) as ended:
        app(again)
    assert (ended.value.code, again[0]) == (0, "create")
    assert [one["service"] for one in api_of(stack).project(project)["services"]] == ["auth"]


def test_the_next_command_of_a_job_is_printed_as_it_works_here(
    stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = run(stack, payload_for(project_id)).job_id
    capsys.readouterr()
    provision(stack, "watch", job_id)
    last = capsys.readouterr().out.splitlines()[-1]
    command = words(last.rstrip("."))
    assert command == ["show", "--state-dir", str(stack.state_directory), project_id]
    with pytest.raises(SystemExit) as ended:
        app(command)
    assert ended.value.code == 0
    assert project_id in capsys.readouterr().out
