"""The pool: databases made before a job asks, claimed by one job each, and the same as one that was made on demand."""

import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from local.stack import Stack
from provisioning import tenant_database, tenant_lookup, tenant_schema
from provisioning.database_pool import Pool, refill_pools
from provisioning.errors import JobClosed
from stages import create_database as stage
from stages.create_database import create_database, drop_database
from stages.create_schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import Context, Died, StagedJob, at_once, dying, execute, open_job

POOL = "SELECT database_name, kind, status, job_id FROM control_plane.pool_databases ORDER BY created_at"
SERVER = """
    SELECT datname, datallowconn, shobj_description(oid, 'pg_database') FROM pg_database
    WHERE starts_with(datname::text, 'provisioner_') ORDER BY datname
"""


@pytest.fixture
def pool(stack: Stack) -> Iterator[None]:
    """Two entries per cluster, and an empty pool afterwards."""
    with patch.dict(os.environ, {"POOL_SIZE": "2"}):
        yield
    execute(stack, "control_plane", "UPDATE control_plane.pool_databases SET schema_version = 'old'")
    with patch.dict(os.environ, {"POOL_SIZE": "0"}):
        refill()


def refill() -> dict[str, Any]:
    return refill_pools({}, Context())


def rows(stack: Stack, kind: str) -> list[tuple[Any, ...]]:
    return [row for row in execute(stack, "control_plane", POOL) if row[1] == kind]


@pytest.mark.usefixtures("pool")
def test_a_refill_makes_one_template_and_the_entries_that_are_missing_and_nobody_can_connect_to_them(
    stack: Stack,
) -> None:
    assert len(refill()["made"]) == 3
    assert refill() == {"made": [], "removed": [], "busy": []}
    assert len(rows(stack, "template")) == 1
    assert [row[2:] for row in rows(stack, "entry")] == [("ready", None)] * 2
    names = sorted(row[0] for row in execute(stack, "control_plane", POOL))
    assert execute(stack, "postgres", SERVER) == [(name, False, tenant_lookup.pool_mark(name)) for name in names]


@pytest.mark.usefixtures("pool")
def test_each_entry_goes_to_one_job_and_leaves_the_pool_with_it(stack: Stack, new_project: NewProject) -> None:
    refill()
    jobs = [open_job(new_project()) for _ in range(4)]
    outcomes = at_once(*[lambda job=job: job.run(create_database) for job in jobs])
    assert [type(outcome) for outcome in outcomes] == [dict] * 4
    assert rows(stack, "entry") == []
    for job in jobs:
        (database,) = look(stack, job.project_id).databases
        assert (database["mark"], database["owner"]) == (job.mark, job.names.owner_role)
    assert len(refill()["made"]) == 2


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize("after", [False, True])
def test_a_job_that_died_at_its_claim_goes_on_with_the_entry_it_claimed(
    stack: Stack, job: StagedJob, after: bool
) -> None:
    refill()
    with dying(tenant_database, "claim", after=after), pytest.raises(Died):
        job.run(create_database)
    claimed = [row[0] for row in rows(stack, "entry") if row[3] == job.job_id]
    assert len(claimed) == 1
    refill()
    job.run(create_database)
    assert job.job_id not in [row[3] for row in rows(stack, "entry")]
    assert claimed[0] not in [row[0] for row in execute(stack, "postgres", SERVER)]


@pytest.mark.usefixtures("pool")
def test_a_claimed_entry_is_dropped_by_the_compensation_before_and_after_it_became_the_tenants(
    stack: Stack, new_project: NewProject
) -> None:
    refill()
    before, after = open_job(new_project()), open_job(new_project())
    with dying(tenant_database, "claim", after=False), pytest.raises(Died):
        before.run(create_database)
    after.run(create_database)
    for job in (before, after):
        job.run(drop_database)
        assert look(stack, job.project_id).databases == []
    assert rows(stack, "entry") == []
    assert [name for name, *_ in execute(stack, "postgres", SERVER)] == [rows(stack, "template")[0][0]]


@pytest.mark.usefixtures("pool")
def test_an_attempt_that_wakes_up_after_its_job_was_rolled_back_takes_no_entry(stack: Stack, job: StagedJob) -> None:
    refill()
    real = stage._source

    def declared_and_asleep(attempt: Any) -> Any:
        source = real(attempt)
        attempt.control.connection.close()
        at_once(lambda: job.run(drop_database))
        return source

    with patch.object(stage, "_source", declared_and_asleep), pytest.raises(Exception, match=r"connection|given up"):
        job.run(create_database)
    assert look(stack, job.project_id).databases == []
    assert [row[3] for row in rows(stack, "entry")] == [None]


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize("method", ["_create", "_open", "_make_template"])
@pytest.mark.parametrize("after", [False, True])
def test_what_an_interrupted_refill_left_is_removed_by_the_next(stack: Stack, method: str, after: bool) -> None:
    with dying(Pool, method, after=after), pytest.raises(Died):
        refill()
    refill()
    names = sorted(row[0] for row in execute(stack, "control_plane", POOL))
    assert [(row[1], row[2]) for row in execute(stack, "control_plane", POOL)] == [("template", "ready")] + [
        ("entry", "ready")
    ] * 2
    assert [name for name, *_ in execute(stack, "postgres", SERVER)] == names


@pytest.mark.usefixtures("pool")
def test_the_pool_is_rebuilt_when_the_schema_version_moves(stack: Stack) -> None:
    before = set(refill()["made"])
    with patch.object(tenant_schema, "fingerprint", lambda: "2-next"):
        output = refill()
    assert set(output["removed"]) == before
    assert len(output["made"]) == 3


@pytest.mark.usefixtures("pool")
def test_a_job_takes_nothing_of_another_schema_version(stack: Stack, job: StagedJob) -> None:
    refill()
    execute(stack, "control_plane", "UPDATE control_plane.pool_databases SET schema_version = 'old'")
    job.run(create_database)
    job.run(create_schema)
    assert len(rows(stack, "entry")) == 2


@pytest.mark.usefixtures("pool")
def test_the_pool_takes_no_place_that_a_tenant_or_a_running_job_needs(stack: Stack, job: StagedJob) -> None:
    taken = execute(stack, "control_plane", "SELECT count(*) FROM control_plane.jobs WHERE status = 'running'")[0][0]
    capacity = execute(stack, "control_plane", "SELECT capacity FROM control_plane.clusters")[0][0]
    taken += execute(
        stack,
        "control_plane",
        "SELECT count(*) FROM control_plane.tenant_databases AS made WHERE NOT EXISTS"
        " (SELECT FROM control_plane.jobs WHERE jobs.project_id = made.project_id AND status = 'running')",
    )[0][0]
    try:
        execute(stack, "control_plane", "UPDATE control_plane.clusters SET capacity = %s", taken + 1)
        refill()
        assert len(rows(stack, "entry")) == 1
    finally:
        execute(stack, "control_plane", "UPDATE control_plane.clusters SET capacity = %s", capacity)


@pytest.mark.usefixtures("pool")
def test_one_clusters_own_size_goes_before_the_setting(stack: Stack) -> None:
    execute(
        stack, "control_plane", "INSERT INTO control_plane.pool_sizes SELECT cluster_id, 1 FROM control_plane.clusters"
    )
    try:
        refill()
        assert len(rows(stack, "entry")) == 1
    finally:
        execute(stack, "control_plane", "DELETE FROM control_plane.pool_sizes")


@pytest.mark.usefixtures("pool")
def test_of_two_refills_at_once_one_leaves_the_cluster_to_the_other(stack: Stack) -> None:
    outcomes = at_once(refill, refill)
    assert all(isinstance(outcome, dict) for outcome in outcomes)
    assert len(rows(stack, "entry")) == 2


@pytest.mark.usefixtures("pool")
def test_a_refill_that_was_taken_over_makes_nothing_any_more(stack: Stack) -> None:
    real = Pool._create

    def overtaken(self: Pool, *arguments: Any, **values: Any) -> None:
        real(self, *arguments, **values)
        execute(stack, "control_plane", "UPDATE control_plane.pool_databases SET status = 'removing'")

    with patch.object(Pool, "_create", overtaken), pytest.raises(JobClosed):
        refill()


@pytest.mark.usefixtures("pool")
def test_what_is_removed_from_the_pool_takes_its_roles_with_it(stack: Stack) -> None:
    roles = "SELECT rolname FROM pg_roles WHERE starts_with(rolname::text, 'provisioner_pool_')"
    refill()
    assert len(execute(stack, "postgres", roles)) == 4
    execute(stack, "control_plane", "UPDATE control_plane.pool_databases SET status = 'removing'")
    with patch.dict(os.environ, {"POOL_SIZE": "0"}):
        refill()
    assert execute(stack, "postgres", roles) == []


@pytest.mark.usefixtures("pool")
def test_nobody_can_log_in_with_the_roles_of_an_entry(stack: Stack) -> None:
    refill()
    roles = "SELECT DISTINCT rolcanlogin FROM pg_roles WHERE starts_with(rolname::text, 'provisioner_pool_')"
    assert execute(stack, "postgres", roles) == [(False,)]


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(
    "damage", ["DROP DATABASE {entry}", "UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{entry}'"]
)
def test_from_an_entry_that_is_not_what_it_was_a_job_falls_back_to_the_template(
    stack: Stack, job: StagedJob, damage: str
) -> None:
    refill()
    for entry, *_ in rows(stack, "entry"):
        execute(stack, "postgres", damage.format(entry=entry))
    job.run(create_database)
    job.run(create_schema)
    (database,) = look(stack, job.project_id).databases
    assert database["mark"] == job.mark
    assert {row[0] for row in execute(stack, "postgres", SERVER)} <= {
        row[0] for row in execute(stack, "control_plane", POOL)
    }
