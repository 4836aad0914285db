"""A removal that enters a closed database dies at each of its statements: what it has opened is closed again."""

from contextlib import closing
from functools import partial

import pytest

from local.bootstrap import ADMIN
from local.stack import Stack
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.running import eventually
from tests.isolation.conftest import Tenant, query
from tests.isolation.killed_removal import died
from tests.isolation.leaving import left_of, naming, privileges
from tests.isolation.test_closed_databases import CLOSED, PIN, opened
from tests.isolation.test_pinned_roles import closed
from tests.stages.jobs import execute, lambda_environment, look_again, open_job

pytestmark = pytest.mark.slow

AT_MOST = 60
ADMINS = "SELECT pid FROM pg_stat_activity WHERE usename = %s"


def ended(stack: Stack, others: set[tuple[int, ...]]) -> bool:
    """Whether the admin has no other sessions than these."""
    return set(execute(stack, "postgres", ADMINS, ADMIN)) <= others


def test_what_a_killed_removal_has_opened_is_closed_again(
    stack: Stack, attacker: Tenant, new_project: NewProject
) -> None:
    left_open, has_died = 0, True
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED):
        before = privileges(stack, attacker.names)
        for last in range(AT_MOST):
            with lambda_environment():
                job = open_job(new_project())
                job.run(create_database)
                query(session, naming(PIN, attacker.names, job.names))
            others = set(execute(stack, "postgres", ADMINS, ADMIN))
            has_died = died(job, last)
            assert eventually(partial(ended, stack, others))
            left_open += bool(opened(stack))
            with lambda_environment():
                look_again(stack)
                assert opened(stack) == []
                job.run(drop_database)
            assert left_of(stack, job) == []
            assert privileges(stack, attacker.names) == before
            if not has_died:
                break
    assert not has_died
    assert left_open > 1
