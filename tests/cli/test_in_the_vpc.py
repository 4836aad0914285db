"""A command that reads a deployment's databases itself says that it has to run in its VPC."""

import json
import subprocess
import sys

import pytest

from local.stack import Stack
from tests.cli.test_command_line import in_state

UNKNOWN = "x" * 20
SAID = "this command has to run on a host in the deployment's VPC"


@pytest.fixture
def out_of_reach(stack: Stack, deployed: str) -> str:
    """A deployment whose control plane nobody reaches from here."""
    secrets, functions = stack.client("secretsmanager"), stack.client("lambda")
    known = json.loads(secrets.get_secret_value(SecretId="provisioner/control-plane")["SecretString"])
    secret = secrets.create_secret(Name="out-of-reach", SecretString=json.dumps(known | {"port": 1}))
    for function in functions.list_functions()["Functions"]:
        settings = function["Environment"]["Variables"] | {"CONTROL_PLANE_SECRET_ID": secret["ARN"]}
        functions.update_function_configuration(
            FunctionName=function["FunctionName"], Environment={"Variables": settings}
        )
    return deployed


def test_a_database_out_of_reach_is_one_of_the_vpc(out_of_reach: str) -> None:
    # In a process of its own: this one keeps a session.
    command = [sys.executable, "-m", "cli.app", "whose", UNKNOWN, "--state-machine-arn", out_of_reach]
    done = subprocess.run(command, env=in_state(None), capture_output=True, text=True, check=False)
    assert (done.returncode, SAID in done.stderr) == (7, True), done.stderr
