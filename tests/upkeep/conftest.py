import pytest

from local.stack import Stack
from stages.api_keys import generate_api_keys
from tests.executions.looking import Row, look
from tests.stages.conftest import environment, job
from tests.stages.jobs import StagedJob

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
