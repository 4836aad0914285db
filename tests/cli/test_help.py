"""Help, version and completion need no stack, and the help loses nothing of what the code says."""

import functools
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import typer

from cli.app import app
from cli.command_help import make_plain
from local.template import REPOSITORY
from tests.cli.pseudo_terminal import PROVISION, environment, show

pytestmark = pytest.mark.slow


@functools.cache
def commands() -> dict[str, Any]:
    root = typer.main.get_command(app)
    make_plain(root)
    return dict(_below("", root))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _below(f"{path} {name}".strip(), one)


def words(text: str) -> list[str]:
    return re.findall(r"[^\s\[\];]+", text)


def run(*arguments: str, variables: Mapping[str, str] = MappingProxyType({})) -> subprocess.CompletedProcess[str]:
    known = environment() | dict(variables)
    return subprocess.run([*PROVISION, *arguments], env=known, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", commands())
def test_the_help_has_every_word_of_every_option(path: str) -> None:
    command = commands()[path]
    with typer.Context(command, info_name="provision", terminal_width=60) as context:
        told = command.get_help(context)
    assert max(map(len, told.splitlines())) <= 60
    said = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params)]
    # A word with a hyphen may go on in the next line.
    joined = "".join(told.split())
    assert [word for text in said for word in words(text) if word not in joined] == []


def test_a_default_in_brackets_is_no_markup() -> None:
    assert "[default: the last one, or 8083]" in " ".join(run("up", "--help").stdout.split())


@pytest.mark.parametrize("columns", [60, 120])
def test_the_list_of_commands_fits_and_cuts_no_sentence(columns: int) -> None:
    shown = show("--help", columns=columns, variables=environment())
    assert shown.code == 0
    assert max(map(len, shown.lines)) <= columns
    assert "..." not in shown.text.replace("[ARGS]...", "")


def test_the_version_is_the_packages_with_the_commit() -> None:
    done = run("--version")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found = re.fullmatch(r"provision (\d+\.\d+\.\d+) \(commit ([0-9a-f]{7,})(, changed)?\)\n", done.stdout)
    assert found is not None, done
    assert head.stdout.startswith(found[2])
    assert f'version = "{found[1]}"' in (REPOSITORY / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("line", "found"),
    [("provision sus", ["suspend"]), ("provision service r", ["reset"]), ("provision up --por", ["--port"])],
)
def test_a_shell_completes_without_a_stack(line: str, found: list[str]) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_PROVISION_COMPLETE": "complete_bash"}
    done = run(variables=asked)
    assert (done.stdout.split(), done.stderr) == (found, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_can_be_shown(shell: str) -> None:
    done = run("--show-completion", shell, variables={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert (done.returncode, "provision" in done.stdout) == (0, True), done.stderr


def test_a_reader_that_leaves_is_no_failure() -> None:
    both = f"set -o pipefail; {' '.join(PROVISION)} --help | head -1"
    done = subprocess.run(["bash", "-c", both], env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: provision")


def test_a_reader_that_has_left_already_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROVISION, "--version"], env=environment(), stdout=writing, stderr=subprocess.PIPE)  # noqa: PLW1510
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_locale_without_unicode_is_no_failure(variables: dict[str, str]) -> None:
    done = run("show", "\u6771\u4eac", variables=variables)
    assert done.returncode == 7, done.stderr
    done = run("whose", "--nothing\u6771", variables=variables)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
