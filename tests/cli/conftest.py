import os

import pytest

from cli import doctor
from local.stack import Stack


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
