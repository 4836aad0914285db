"""An error names what the user has given, and not what the command or the API has made of it."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from api.application import make
from api.routes import ROUTES
from cli.api_problems import GIVEN_AS, ApiProblem
from cli.app import app
from local.exit_codes import ExitCode
from local.stack import Stack
from tests.cli.commanding import provision

TOO_LONG = "p" * 81
BY_PATTERN = ("create", "plan")
"""What checks the id of a new project before anything is asked."""


def _leading() -> Iterator[tuple[str, str]]:
    """Yield each command that begins with a project or a job, and what it calls that."""
    for name, command in vars(typer.main.get_command(app))["commands"].items():
        first: Any = next((one for one in command.params if one.param_type_name == "argument"), None)
        called = (first.metavar or "").strip("[]") if first is not None else ""
        if called.split("|")[-1] in ("PROJECT", "JOB"):
            yield name, called


LEADING = dict(_leading())


@pytest.mark.parametrize("command", LEADING)
def test_a_name_that_nothing_can_have_is_named(stack: Stack, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = provision(stack, command, TOO_LONG), capsys.readouterr().err
    if command in BY_PATTERN:
        assert (code, "project_id (PROJECT): must match ^" in said) == (ExitCode.USAGE, True)
    else:
        assert (code, said.endswith(f"{TOO_LONG}\n")) == (ExitCode.NOT_FOUND, True), said


def test_every_command_with_a_project_or_a_job_was_asked() -> None:
    assert len(LEADING) >= 19


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["create", "p", "--org", "a b", "--owner", ""], ["(--org)", "(--owner)"]),
        (["create", "p", "--org", "o", "--owner", "u", "--region", "x", "--plan", "y"], ["(--region)", "(--plan)"]),
        (["create", "p", "--org", "o", "--owner", "u", "--key", "\u6771"], ["--key: "]),
        (["ls", "--status", "A"], ["--status: "]),
        (["jobs", "--status", "A"], ["--status: "]),
        (["events", "--after", str(2**60)], ["--after: "]),
    ],
)
def test_an_option_is_named_as_it_is_given(
    stack: Stack, arguments: list[str], named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = provision(stack, *arguments), capsys.readouterr().err
    assert (code, [one for one in named if one not in said]) == (ExitCode.USAGE, []), said


def test_every_parameter_of_the_api_that_a_user_gives_has_the_users_name_for_it() -> None:
    sent_by_none = {"cursor", "wait", "rollback", "cluster_id", "outcome"}
    document = make(ROUTES).get_openapi_schema().model_dump(by_alias=True, exclude_none=True)
    operations = [one for path in document["paths"].values() for one in path.values()]
    found = {one["name"].lower() for operation in operations for one in operation.get("parameters", [])}
    assert found - sent_by_none == set(GIVEN_AS)


def test_a_field_of_a_body_keeps_its_name() -> None:
    problem = ApiProblem(400, {"type": "InvalidPayload", "errors": [{"pointer": "#/status", "detail": "is no status"}]})
    assert str(problem) == "status: is no status"
