from collections.abc import Iterator

import pytest

from local.stack import Stack
from stages.api_keys import generate_api_keys
from tests.executions.looking import Row, look
from tests.stages.conftest import environment, job
from tests.stages.jobs import StagedJob, execute
from tests.upkeep.event_bus import Queue, rule

__all__ = ["environment", "job", "removed", "tenant_of"]


def tenant_of(stack: Stack, job: StagedJob) -> Row:
    (row,) = [row for row in look(stack, job.project_id).tenants if row["tenant_id"] == job.tenant_id]
    return row


@pytest.fixture
def removed(job: StagedJob) -> StagedJob:
    """A job that was rolled back, whose tenant waits for its last look."""
    job.run_until(generate_api_keys)
    job.roll_back()
    return job


@pytest.fixture
def nothing_waits(stack: Stack) -> Iterator[None]:
    """No event of another test waits for the event bus."""
    done = "UPDATE control_plane.events SET delivered_at = now() WHERE delivered_at IS NULL"
    execute(stack, "control_plane", done)
    yield
    execute(stack, "control_plane", done)


@pytest.fixture
def queue(stack: Stack, project_id: str, nothing_waits: None) -> Iterator[Queue]:
    """A queue that gets the project's events from the bus."""
    with rule(stack, {"source": ["provisioner"], "detail": {"project_id": [project_id]}}) as found:
        yield found
