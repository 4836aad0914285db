"""The shipped state machine with toy functions."""

import uuid
from collections.abc import Iterator

import pytest

from local.template import read_template
from tests.local.conftest import Machine, running_machine
from tests.local.shipped_machine.toys import Toys


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Toys]]:
    toys = Toys()
    with running_machine(tmp_path_factory.mktemp("machine"), read_template(), toys) as machine:
        yield machine, toys


@pytest.fixture
def machine(shared: tuple[Machine, Toys]) -> Machine:
    return shared[0]


@pytest.fixture
def toys(shared: tuple[Machine, Toys]) -> Toys:
    """The functions in their default configuration."""
    shared[1].reset()
    return shared[1]


@pytest.fixture
def job() -> str:
    """The name of an execution that no other test uses."""
    return f"job-{uuid.uuid4().hex[:12]}"
