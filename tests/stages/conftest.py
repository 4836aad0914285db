import threading
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from local.stack import Stack
from provisioning import cluster, control_plane, service_client
from tests.stages.jobs import StagedJob, open_job


@pytest.fixture(scope="module", autouse=True)
def environment(stack: Stack) -> Iterator[None]:
    """One Lambda environment for the tests of a file: its connections end with it."""
    with (
        patch.object(control_plane, "_environment", threading.local()),
        patch.object(cluster, "_environment", threading.local()),
        patch.object(service_client, "_environment", threading.local()),
    ):
        yield


@pytest.fixture
def job(stack: Stack, project_id: str) -> StagedJob:
    """A job with every service that was opened and has done nothing else."""
    return open_job(project_id)
