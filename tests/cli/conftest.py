import os
from collections.abc import Iterator

import pytest
from moto import mock_aws

from cli import doctor
from local.stack import Stack
from tests.cli.simulating import Simulator


@pytest.fixture
def deployed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ARN of an alias in an account: its functions have the settings that this process no longer has."""
    settings = {name: os.environ[name] for name in doctor.REQUIRED}
    functions = stack.client("lambda")
    for function in functions.list_functions()["Functions"]:
        functions.update_function_configuration(
            FunctionName=function["FunctionName"], Environment={"Variables": settings | {"ALLOW_PLAIN_HTTP": "true"}}
        )
    for name in settings:
        monkeypatch.setenv(name, "")
    return f"{stack.state_machine_arn}:live"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account without a stack."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield


@pytest.fixture
def simulator(account: None) -> Simulator:
    return Simulator()
