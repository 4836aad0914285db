from collections.abc import Iterator

import pytest

from local.stack import Stack
from tests.conftest import NewProject
from tests.stages.jobs import StagedJob, lambda_environment, open_job
from tests.stages.suspending import Tenant, live_tenant


@pytest.fixture(scope="module", autouse=True)
def environment(stack: Stack) -> Iterator[None]:
    """One Lambda environment for the tests of a file: its connections end with it."""
    with lambda_environment():
        yield


@pytest.fixture
def job(stack: Stack, project_id: str) -> StagedJob:
    """A job with every service that was only opened."""
    return open_job(project_id)


@pytest.fixture
def tenant(stack: Stack, project_id: str) -> Tenant:
    return live_tenant(stack, project_id)


@pytest.fixture
def other(stack: Stack, new_project: NewProject) -> Tenant:
    """Another tenant of the cluster."""
    return live_tenant(stack, new_project())
