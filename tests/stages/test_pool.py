"""The pool: tenants that a refill makes before a job asks, and removes when they are outdated or unfinished."""

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.cluster import register
from provisioning.cluster.session import REGISTER
from provisioning.errors import JobClosed, RollbackFailed
from provisioning.identity import TenantNames, new_tenant_id
from provisioning.tenant import making, pool, removing, schema
from stages.database import create_database
from tests.stages.jobs import Context, Died, StagedJob, at_once, dying, execute, look_again, outdate_pool
from tests.stages.jobs import refill as bring_to
from tests.stages.test_create_database import dying_before, secret_of
from upkeep.refill_pools import refill_pools

POOL = """
    SELECT tenant_id, state, removed_at IS NOT NULL FROM control_plane.tenants
    WHERE job_id IS NULL AND state NOT IN ('disputed', 'gone')
"""
NAMES = """
    SELECT datname::text FROM pg_database WHERE strpos(datname, %s) > 0
    UNION ALL SELECT rolname::text FROM pg_roles WHERE strpos(rolname, %s) > 0
"""


@pytest.fixture(autouse=True)
def emptied(stack: Stack) -> Iterator[None]:
    """Two tenants per cluster, and an empty pool afterwards."""
    with patch.dict(os.environ, {"POOL_SIZE": "2"}):
        yield
    outdate_pool(stack)
    bring_to(0)


def refill() -> dict[str, Any]:
    return refill_pools({}, Context())


def ready(stack: Stack) -> set[str]:
    return {tenant_id for tenant_id, state, _ in execute(stack, "control_plane", POOL) if state == "ready"}


def unfinished(stack: Stack) -> list[str]:
    """What a refill has begun but neither finished nor removed."""
    rows = execute(stack, "control_plane", POOL)
    return [tenant_id for tenant_id, state, removed in rows if state != "ready" and not removed]


def on_cluster(stack: Stack, tenant_id: str) -> list[Any]:
    return execute(stack, "postgres", NAMES, tenant_id, tenant_id)


def test_a_refill_makes_the_tenants_that_are_missing(stack: Stack) -> None:
    made = refill()["made"]
    assert (len(made), set(made)) == (2, ready(stack))
    assert refill() == {"made": [], "removed": [], "lost": {}, "failed": {}, "busy": []}


def test_a_tenant_of_the_pool_is_whole_and_the_register_names_nobody(stack: Stack) -> None:
    (tenant_id, _) = refill()["made"]
    names = TenantNames(tenant_id)
    document = secret_of(stack, StagedJob("", {}, tenant_id))
    with closing(schema.connect(document)) as session:
        assert schema.current_version(session) == schema.newest_version()
    row = "SELECT job_id, project_id, state FROM register.tenants WHERE tenant_id = %s"
    assert execute(stack, REGISTER, row, tenant_id) == [(None, None, "kept")]
    assert len(on_cluster(stack, tenant_id)) == 3
    kept = "SELECT prepared -> 'schema', secret_arn FROM control_plane.tenants WHERE tenant_id = %s"
    arn = stack.client("secretsmanager").describe_secret(SecretId=names.secret)["ARN"]
    assert execute(stack, "control_plane", kept, tenant_id) == [("public", arn)]


def test_nobody_elses_login_can_connect_to_a_tenant_of_the_pool(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    (tenant_id, _) = refill()["made"]
    document = secret_of(stack, job) | {"dbname": TenantNames(tenant_id).database}
    with pytest.raises(psycopg2.OperationalError, match="lacks CONNECT on the database"):
        schema.connect(document)


INTERRUPTED = {
    "written down": lambda: dying(pool.Pool, "_write_down", after=True),
    "in the register": lambda: dying(register, "claim", after=True),
    "the secret": lambda: dying_before("join_roles"),
    "the roles": lambda: dying_before("make_database"),
    "the database": lambda: dying_before("open_database"),
    "the database, opened": lambda: dying(making, "make_database", after=True),
    "the schema": lambda: dying(making, "make_schema", after=True),
}


@pytest.mark.parametrize("dies", INTERRUPTED.values(), ids=INTERRUPTED)
def test_what_an_interrupted_refill_left_is_removed_by_the_next(stack: Stack, dies: Any) -> None:
    with dies(), pytest.raises(Died):
        refill()
    (begun,) = unfinished(stack)
    done = refill()
    assert done["removed"] == [begun]
    assert set(done["made"]) == ready(stack)
    assert unfinished(stack) == []
    assert on_cluster(stack, begun) == []


def test_a_removal_that_was_cut_off_is_finished_by_the_next_refill(stack: Stack) -> None:
    begun = set(refill()["made"])
    outdate_pool(stack)
    with dying(removing, "remove_secrets", after=False), pytest.raises(Died):
        refill()
    assert set(refill()["removed"]) == begun
    assert unfinished(stack) == []


def test_the_pool_is_rebuilt_when_the_schema_moves(stack: Stack) -> None:
    before = set(refill()["made"])
    with patch.object(schema, "fingerprint", lambda: "2-next"):
        done = refill()
        assert set(done["removed"]) == before
        assert set(done["made"]) == ready(stack)


def test_the_pool_is_rebuilt_when_the_server_moves(stack: Stack) -> None:
    before = set(refill()["made"])
    moved = "UPDATE control_plane.tenants SET server_fingerprint = 'PostgreSQL 1' WHERE state = 'ready'"
    execute(stack, "control_plane", moved)
    done = refill()
    assert (set(done["removed"]), set(done["made"])) == (before, ready(stack))


def test_the_pool_takes_no_place_that_a_project_needs(stack: Stack, job: StagedJob) -> None:
    room = "SELECT capacity, capacity - room FROM control_plane.cluster_room NATURAL JOIN control_plane.clusters"
    ((capacity, held),) = execute(stack, "control_plane", room)
    try:
        execute(stack, "control_plane", "UPDATE control_plane.clusters SET capacity = %s", held + 1)
        refill()
        assert len(ready(stack)) == 1
    finally:
        execute(stack, "control_plane", "UPDATE control_plane.clusters SET capacity = %s", capacity)


def test_one_clusters_own_size_goes_before_the_setting(stack: Stack) -> None:
    execute(stack, "control_plane", "UPDATE control_plane.clusters SET pool_size = 1")
    try:
        refill()
        assert len(ready(stack)) == 1
    finally:
        execute(stack, "control_plane", "UPDATE control_plane.clusters SET pool_size = NULL")


def test_of_two_refills_at_once_one_leaves_the_cluster_to_the_other(stack: Stack) -> None:
    outcomes = at_once(refill, refill)
    assert all(isinstance(outcome, dict) for outcome in outcomes)
    assert len(ready(stack)) == 2


def test_a_refill_that_was_taken_over_makes_nothing_ready_any_more(stack: Stack) -> None:
    real = making.make_schema

    def overtaken(*arguments: Any) -> Any:
        execute(stack, "control_plane", "UPDATE control_plane.tenants SET state = 'removing' WHERE state = 'making'")
        return real(*arguments)

    with patch.object(making, "make_schema", overtaken), pytest.raises(JobClosed):
        refill()
    assert ready(stack) == set()


def test_a_tenant_that_cannot_be_removed_keeps_no_other_from_its_turn(stack: Stack) -> None:
    before = refill()["made"]
    stuck = sql.Identifier(f"stuck_{before[0]}")
    login = sql.Identifier(TenantNames(before[0]).login_role)
    execute(stack, "postgres", sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(stuck, login))
    outdate_pool(stack)
    with pytest.raises(RollbackFailed, match="held up by postgres"):
        refill()
    assert unfinished(stack) == [before[0]]
    assert (on_cluster(stack, before[1]), len(ready(stack))) == ([], 2)
    execute(stack, "postgres", sql.SQL("DROP SCHEMA {}").format(stuck))
    assert refill()["removed"] == [], "a removal that is held up is Reconcile's"
    look_again(stack, before[0])
    assert (on_cluster(stack, before[0]), unfinished(stack)) == ([], [])


def test_an_id_that_the_register_gives_to_somebody_is_left_to_it(stack: Stack) -> None:
    taken = new_tenant_id()
    given = "INSERT INTO register.tenants (tenant_id, control_plane_id, job_id) SELECT %s, %s, 'job-of-another'"
    ((identity,),) = execute(stack, "control_plane", "SELECT control_plane_id FROM control_plane.identity")
    execute(stack, REGISTER, given, taken, identity)
    with patch.object(pool, "new_tenant_id", lambda: taken), pytest.raises(JobClosed, match="to somebody else"):
        refill()
    state = "SELECT state FROM control_plane.tenants WHERE tenant_id = %s"
    assert execute(stack, "control_plane", state, taken) == [("disputed",)]
    assert (on_cluster(stack, taken), len(refill()["made"])) == ([], 2)
