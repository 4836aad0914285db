"""With --endpoint a command needs nothing but AWS credentials; one that has to stand in the VPC says so in its help."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cli.command_help import make_plain
from local import access_key
from local.stack import Stack
from local.template import REPOSITORY
from tests.cli.test_help import commands
from tests.cli.test_json import CALLS, meant
from tests.conftest import NewProject

pytestmark = pytest.mark.slow

LAPTOP = {
    "console": "its own options name a state machine and an endpoint of Step Functions",
    "demo": "a stack of its own",
    "down": "the laptop's stack",
    "sam-template": "the laptop's stack",
    "schema check": "a stack of its own",
    "service list": "the laptop's stack",
    "service reset": "the laptop's stack",
    "service set": "the laptop's stack",
    "up": "the laptop's stack",
}
"""The commands that act on no deployment, and what they act on."""


def with_option(option: str) -> set[str]:
    leaves = {name: one for name, one in commands().items() if not hasattr(one, "commands")}
    return {name for name, one in leaves.items() if any(option in parameter.opts for parameter in one.params)}


OVER_THE_API = sorted(with_option("--endpoint"))


def test_every_command_is_for_the_api_or_the_vpc_or_the_laptop() -> None:
    leaves = {name for name, one in commands().items() if not hasattr(one, "commands")}
    assert leaves == {*OVER_THE_API, *with_option("--state-machine-arn"), *LAPTOP}


@pytest.mark.parametrize("command", sorted(with_option("--state-machine-arn") - {"console"}))
def test_a_command_that_has_to_stand_in_the_vpc_says_so(command: str) -> None:
    one = commands()[command]
    make_plain(one)
    with typer.Context(one, info_name=command, terminal_width=200) as context:
        assert "on a host in its VPC" in " ".join(one.get_help(context).split())


def asked(stack: Stack, directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command elsewhere, where no state of a stack can be read, with credentials and nothing else of AWS's."""
    key = access_key.read(stack.state_directory)
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    known |= {"AWS_ACCESS_KEY_ID": key.key_id, "AWS_SECRET_ACCESS_KEY": key.secret, "AWS_CONFIG_FILE": os.devnull}
    known |= {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "functions")])}
    where = ["--endpoint", stack.endpoint_url, "--aws-region", "us-east-1"]
    command = [sys.executable, "-m", "cli.app", *words[:1], *where, *words[1:]]
    return subprocess.run(command, env=known, cwd=directory, capture_output=True, text=True, check=False)


CALLED = {name: arguments for name, (arguments, _) in CALLS.items() if name in OVER_THE_API} | {
    "keys": ["ACTIVE", "--reveal"],
    "psql": ["ACTIVE", "--", "-AtXc", "SELECT 1"],
}
NOT_CALLED = {"open": "it asks the API for the name of a job only, and then a console", "stop": "nothing runs here"}


def test_every_command_over_the_api_is_called() -> None:
    assert {*CALLED, *NOT_CALLED} == set(OVER_THE_API)


@pytest.mark.parametrize("command", CALLED)
def test_a_command_over_the_api_needs_only_credentials(
    stack: Stack, new_project: NewProject, command: str, tmp_path: Path
) -> None:
    words = [meant(one, stack, new_project) for one in CALLED[command]]
    done = asked(stack, tmp_path, command, *words)
    assert (done.returncode, list(tmp_path.iterdir())) == (0, []), done.stderr
