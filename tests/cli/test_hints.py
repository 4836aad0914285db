"""A command that the terminal names can be typed as it is printed."""

import ast
import sys
from pathlib import Path

import pytest

from cli import terminal
from cli.app import app
from local.template import REPOSITORY

ROOTS = ("cli", "console", "local", "functions/api", "functions/provisioning", "functions/stages", "functions/upkeep")
BESIDE_THE_INTERPRETER = Path(sys.executable).with_name("provision")


def test_a_command_that_is_on_the_path_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("provision", "sam"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert terminal.typed("run provision migrate") == "run provision migrate"
    assert terminal.sam() == "sam"


def test_a_command_that_is_not_on_the_path_is_called_by_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    hint = "the job j has left a tenant: provision rollback j, or provision retry j"
    told = f"the job j has left a tenant: {BESIDE_THE_INTERPRETER} rollback j, or {BESIDE_THE_INTERPRETER} retry j"
    assert terminal.typed(hint) == told
    assert terminal.sam() == str(REPOSITORY / ".venv-sam" / "bin" / "sam")


def test_a_path_below_the_current_directory_is_printed_relative_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(BESIDE_THE_INTERPRETER.parent.parent)
    assert terminal.typed("provision up") == "bin/provision up"


@pytest.mark.parametrize("hint", ["provision_project ended", "reprovision up", "provision: no", "bin/provision up"])
def test_what_is_no_call_of_the_command_is_printed_as_it_is(
    hint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert terminal.typed(hint) == hint


def test_every_hint_names_a_command_that_there_is() -> None:
    known = {
        str(one.name or getattr(one.callback, "__name__", "")).replace("_", "-") for one in app.registered_commands
    }
    known |= {str(group.name) for group in app.registered_groups}
    found = {
        text[match.end() :].split()[0].strip("`,.;:)")
        for root in ROOTS
        for path in (REPOSITORY / root).rglob("*.py")
        for text in constants(ast.parse(path.read_text()))
        for match in terminal.COMMAND.finditer(text)
    }
    assert found - known == set()
    assert found >= {"create", "rollback", "retry", "doctor", "migrate", "cluster", "up"}


def constants(tree: ast.AST) -> list[str]:
    """Return the texts of a module."""
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
