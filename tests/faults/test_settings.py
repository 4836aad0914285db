"""What an administrator sets for the roles of the control plane and the cluster makes no job fail."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product

import pytest
from psycopg2 import sql

from local.bootstrap import ADMIN, CONTROL_PLANE_OWNER
from local.stack import Stack
from stages.database import create_database
from tests.executions.running import ended, eventually, execute
from tests.faults.jobs import new_project, problems_of, start_job
from tests.stages.jobs import lambda_environment, open_job
from tests.stages.test_kept_connections import END_SESSIONS

pytestmark = pytest.mark.slow

CROWD = 16
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name ~ '^provisioner until'"
)


@contextmanager
def set_for_our_roles(stack: Stack, **defaults: str) -> Iterator[None]:
    """Set defaults of both roles for the sessions that are opened inside the block."""
    roles = [sql.Identifier(role) for role in (ADMIN, CONTROL_PLANE_OWNER)]
    try:
        for role, (name, value) in product(roles, defaults.items()):
            setting = sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), sql.Literal(value))
            execute(stack, setting)
        execute(stack, END_SESSIONS)
        yield
    finally:
        for role in roles:
            execute(stack, sql.SQL("ALTER ROLE {} RESET ALL").format(role))
        execute(stack, END_SESSIONS)


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_16_jobs_at_once_succeed_at_their_first_attempts(stack: Stack, isolation: str) -> None:
    others = {"default_transaction_read_only": "on", "lock_timeout": "1ms", "synchronous_commit": "off"}
    projects = [new_project() for _ in range(CROWD)]
    with set_for_our_roles(stack, default_transaction_isolation=isolation, **others):
        executions = [start_job(stack, project_id) for project_id in projects]
        outcomes = [ended(stack, execution) for execution in executions]
    assert [(ran.status, ran.waits) for ran in outcomes] == [("SUCCEEDED", [])] * CROWD
    assert [problems_of(stack, project_id, {"status": "SUCCEEDED"}) for project_id in projects] == [[]] * CROWD


def test_a_claim_waits_for_the_jobs_row_whatever_lock_timeout_the_role_has(stack: Stack) -> None:
    with set_for_our_roles(stack, lock_timeout="1ms"), lambda_environment():
        job = open_job(new_project())
        with closing(stack.postgres.connect("control_plane")) as other, other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT FROM control_plane.jobs WHERE job_id = %s FOR UPDATE", (job.job_id,))

            def let_go() -> None:
                eventually(lambda: execute(stack, WAITING) != [(0,)])
                cursor.execute("COMMIT")

            waiting = threading.Thread(target=let_go)
            waiting.start()
            assert job.run(create_database)["name"] == job.names.database
            waiting.join()
