"""Tenants take every connection that they can get: jobs go on over those that are kept, and roll back."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import psycopg2
import pytest

from local.postgres import MAX_CONNECTIONS, RESERVED_CONNECTIONS
from local.stack import Stack
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.executions.running import payload_for, run
from tests.faults.jobs import new_project, problems_of, start_job
from tests.isolation.conftest import Tenant, tenant_of

pytestmark = pytest.mark.slow

FEW = RESERVED_CONNECTIONS + 50
"""One tenant has a limit of 60."""


@pytest.fixture
def few_connections(stack: Stack) -> Iterator[None]:
    """A server with so few connections that one tenant can take all ordinary ones."""
    restart(stack, FEW)
    yield
    restart(stack, MAX_CONNECTIONS)


def restart(stack: Stack, connections: int) -> None:
    stack.postgres.stop()
    stack.postgres.max_connections = connections
    stack.postgres.start()


@pytest.fixture
def greedy(stack: Stack, few_connections: None) -> Iterator[Tenant]:
    """A tenant that has taken every connection that it can get."""
    tenant = tenant_of(stack, run(stack, payload_for(new_project())))
    with ExitStack() as taken:
        with pytest.raises(psycopg2.OperationalError, match="remaining connection slots are reserved"):
            take(tenant, taken)
        yield tenant


def take(tenant: Tenant, taken: ExitStack) -> None:
    for _ in range(FEW):
        taken.enter_context(closing(tenant.connect()))


def test_a_job_that_finds_no_connection_for_its_tenant_rolls_back_everything(stack: Stack, greedy: Tenant) -> None:
    project_id = new_project()
    ended = stack.wait(start_job(stack, project_id))
    assert (ended["status"], ended["error"]) == ("FAILED", "SchemaCreationFailed")
    assert "no connection slot is free: end some sessions (SQLSTATE 53300)" in ended["cause"]
    assert stack.clock.seconds(execution=ended["name"]) == [300, 300]
    assert problems_of(stack, project_id, ended) == []


def test_suspending_the_tenant_that_takes_them_lets_jobs_succeed_again(stack: Stack, greedy: Tenant) -> None:
    suspended = stack.run({"project_id": greedy.project_id}, job_type=SUSPEND_PROJECT.job_type)
    assert suspended["status"] == "SUCCEEDED", suspended
    project_id = new_project()
    ended = stack.wait(start_job(stack, project_id))
    assert problems_of(stack, project_id, ended) == []
    assert ended["status"] == "SUCCEEDED"
