"""A tenant that cannot be made or removed, and a cluster that is down, hold up no other pool."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.errors import DatabaseCreationFailed, JobClosed, RollbackFailed
from provisioning.identity import TenantNames, new_tenant_id
from provisioning.tenant import pool
from tests.executions.running import eventually
from tests.stages.jobs import Context, execute, lambda_environment, look_again, outdate_pool
from tests.stages.jobs import refill as bring_to
from tests.stages.test_pool import emptied, ready, refill, unfinished
from upkeep.refill_pools import refill_pools

__all__ = ["emptied"]
pytestmark = pytest.mark.slow


def test_a_tenant_that_cannot_be_made_does_not_keep_the_next_from_being_made(stack: Stack) -> None:
    taken = new_tenant_id()
    given = "INSERT INTO register.tenants (tenant_id, control_plane_id, job_id) SELECT %s, gen_random_uuid(), 'job'"
    execute(stack, REGISTER, given, taken)
    ids = iter([taken])
    with (
        patch.object(pool, "new_tenant_id", lambda: next(ids, None) or new_tenant_id()),
        pytest.raises(JobClosed, match="to somebody else"),
    ):
        refill()
    assert (len(ready(stack)), unfinished(stack)) == (1, [])


@pytest.fixture
def twin(stack: Stack) -> Iterator[str]:
    """Another cluster, on the same server, before the stack's own in the order of the clusters."""
    copied = """
        INSERT INTO control_plane.clusters
        SELECT 'before', region, engine, version, size, host, port, admin_secret_id, 10, pool_size
        FROM control_plane.clusters WHERE cluster_id = 'local'
    """
    execute(stack, "control_plane", copied)
    yield "before"
    outdate_pool(stack)
    bring_to(0)
    execute(stack, "control_plane", "UPDATE control_plane.tenants SET cluster_id = 'local' WHERE cluster_id = 'before'")
    execute(stack, "control_plane", "DELETE FROM control_plane.clusters WHERE cluster_id = 'before'")


def test_a_cluster_that_is_down_keeps_no_other_pool_from_being_filled(stack: Stack, twin: str) -> None:
    set_port = "UPDATE control_plane.clusters SET port = %s WHERE cluster_id = 'before' RETURNING 1"
    ((port,),) = execute(stack, "control_plane", "SELECT port FROM control_plane.clusters WHERE cluster_id = 'local'")
    execute(stack, "control_plane", set_port, 1)
    with pytest.raises(DatabaseCreationFailed):
        refill()
    assert len(ready(stack)) == 2
    execute(stack, "control_plane", set_port, port)


def test_every_pool_is_full_while_a_removal_waits_for_a_lock(stack: Stack, twin: str) -> None:
    old = refill()["made"]
    outdate_pool(stack)
    setting = sql.SQL("ALTER ROLE postgres IN DATABASE {} SET work_mem = '5MB'")
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND NOT granted"
    with closing(stack.postgres.connect()) as holder, holder.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute(setting.format(sql.Identifier(TenantNames(old[0]).database)))
        done = thread.submit(refilled_elsewhere)
        assert eventually(lambda: execute(stack, "postgres", waits) != [(0,)])
        assert len(ready(stack) - set(old)) == 4
        cursor.execute("ROLLBACK")
        assert set(done.result()["removed"]) == set(old)


def test_a_removal_that_is_held_up_stops_neither_the_others_nor_the_next_refill(stack: Stack) -> None:
    old = refill()["made"]
    schema, role = sql.Identifier(f"pin_{old[0]}"), sql.Identifier(TenantNames(old[0]).login_role)
    execute(stack, "postgres", sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, role))
    outdate_pool(stack)
    with pytest.raises(RollbackFailed, match="are held up by postgres"):
        refill()
    assert (len(ready(stack)), unfinished(stack)) == (2, [old[0]])
    assert refill()["failed"] == {}
    execute(stack, "postgres", sql.SQL("DROP SCHEMA {}").format(schema))
    look_again(stack, old[0])
    assert old[0] in look_again(stack, old[0])["finished"]


def refilled_elsewhere() -> dict[str, Any]:
    with lambda_environment():
        return refill_pools({}, Context())
