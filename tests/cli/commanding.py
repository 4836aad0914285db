"""Run a command against the stack of this process, and read what it prints."""

import pytest

from cli import api_target
from cli.api_client import Api
from cli.app import app
from local.stack import Stack


def api_of(stack: Stack) -> Api:
    """Return the client that every command has."""
    return api_target.find(stack.state_directory, None)


def provision(stack: Stack, *arguments: str) -> int:
    """Run a command against the stack and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        app([*arguments, "--state-dir", str(stack.state_directory)])
    return int(ended.value.code or 0)


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that were printed, without the handlers' output and with single spaces."""
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    return [" ".join(line.split()) for line in lines]
