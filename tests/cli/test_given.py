"""A hint repeats the options that say where the command works, so that it can be typed as it is printed."""

import shlex
from pathlib import Path

import pytest

from cli.app import app
from cli.terminal import typed
from local.stack import Stack
from tests.cli.commanding import provision
from tests.executions.running import payload_for, run


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
