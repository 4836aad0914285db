"""provision protect and provision unprotect change a project's protection, and print what it is then."""

import json

import pytest

from local.exit_codes import ExitCode
from local.stack import Stack
from tests.cli.commanding import api_of, printed, provision
from tests.conftest import NewProject


@pytest.fixture
def added(stack: Stack, new_project: NewProject) -> str:
    return new_project()


@pytest.mark.parametrize(
    ("command", "said", "is_protected"), [("protect", "protected", True), ("unprotect", "not protected", False)]
)
def test_a_protection_is_changed_and_printed(
    stack: Stack, added: str, capsys: pytest.CaptureFixture[str], command: str, said: str, is_protected: bool
) -> None:
    if command == "unprotect":
        assert provision(stack, "protect", added) == 0
        capsys.readouterr()
    for _ in range(2):
        assert provision(stack, command, added) == 0
        assert printed(capsys) == [f"The project {added} is {said}."]
        assert api_of(stack).project(added)["is_protected"] == is_protected
    assert provision(stack, command, added, "--json") == 0
    # The handlers' own lines stand before it.
    document = capsys.readouterr().out.partition("{\n")[2]
    assert json.loads("{" + document) == {"project_id": added, "is_protected": is_protected}


def test_a_change_of_protection_names_where_it_is_made(
    stack: Stack, added: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(stack, "protect", added)
    assert f"account 123456789012, region us-east-1, stack laptop, project {added}\n" in capsys.readouterr().err


def test_show_says_that_a_project_is_protected(stack: Stack, added: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command, said in (("protect", "created, protected"), ("unprotect", "created")):
        provision(stack, command, added)
        capsys.readouterr()
        provision(stack, "show", added)
        assert printed(capsys)[0] == f"Project {added} in us-east-1, {said}"


@pytest.mark.parametrize("command", ["protect", "unprotect"])
def test_an_unknown_project_has_no_protection(stack: Stack, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert provision(stack, command, "nobody") == ExitCode.NOT_FOUND
    assert "there is no project and no job nobody" in capsys.readouterr().err
