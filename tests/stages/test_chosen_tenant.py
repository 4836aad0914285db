"""The tenant of a job is chosen in the transaction that opens it: a ready one, or the id of one still to be made."""

from contextlib import closing
from typing import Any

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.cluster import register
from provisioning.errors import ProvisioningError
from provisioning.tenant import holding, schema
from stages.database import create_database
from tests.conftest import NewProject
from tests.executions.looking import Row, look
from tests.stages.jobs import Died, StagedJob, a_job, at_once, dying, execute, open_job, outdate_pool, refilled
from tests.stages.test_create_database import secret_of

READY = "SELECT tenant_id FROM control_plane.tenants WHERE state = 'ready' ORDER BY created_at"


def chosen(stack: Stack, job: StagedJob) -> Row:
    """The row of the tenant that the job's answer names."""
    (row,) = [row for row in look(stack, job.project_id).tenants if row["tenant_id"] == job.tenant_id]
    return row


def ready(stack: Stack) -> list[str]:
    return [tenant_id for (tenant_id,) in execute(stack, "control_plane", READY)]


def test_the_oldest_ready_tenant_is_claimed(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack, 2):
        oldest, other = ready(stack)
        job = open_job(new_project())
        row = chosen(stack, job)
        assert (row["tenant_id"], row["state"]) == (oldest, "claimed")
        assert (row["job_id"], row["project_id"]) == (job.job_id, job.project_id)
        assert row["claimed_at"] is not None
        assert ready(stack) == [other]


def test_without_a_ready_one_the_id_of_a_tenant_to_be_made_is_written_down(stack: Stack, job: StagedJob) -> None:
    row = chosen(stack, job)
    assert (row["state"], row["job_id"], row["project_id"]) == ("making", job.job_id, job.project_id)
    assert (look(stack, job.project_id).registered, look(stack, job.project_id).databases) == ([], [])


def test_a_ready_tenant_of_another_schema_is_not_claimed(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack):
        outdated = ready(stack)
        outdate_pool(stack)
        assert chosen(stack, open_job(new_project()))["state"] == "making"
        assert ready(stack) == outdated


def test_each_ready_tenant_goes_to_one_job(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack, 2):
        kept = ready(stack)
        jobs = [a_job(new_project()) for _ in range(4)]
        answers = at_once(*[job.verify for job in jobs])
        assert [type(answer) for answer in answers] == [dict] * 4
        states = {str(job.tenant_id): chosen(stack, job)["state"] for job in jobs}
    assert len(states) == 4
    assert sorted(states.values()) == ["claimed", "claimed", "making", "making"]
    assert {tenant_id for tenant_id, state in states.items() if state == "claimed"} == set(kept)


def test_a_job_that_was_not_opened_has_claimed_no_tenant(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack):
        kept = ready(stack)
        with dying(holding, "choice", after=True), pytest.raises(Died):
            open_job(new_project())
        execute(stack, "control_plane", "ALTER TABLE control_plane.jobs ADD CONSTRAINT nothing CHECK (false) NOT VALID")
        try:
            with pytest.raises(ProvisioningError):
                open_job(new_project())
        finally:
            execute(stack, "control_plane", "ALTER TABLE control_plane.jobs DROP CONSTRAINT nothing")
        assert ready(stack) == kept


def test_the_second_delivery_names_the_same_tenant(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack, 2):
        job = open_job(new_project())
        first, left = job.tenant_id, ready(stack)
        assert job.verify()["tenant_id"] == first
        assert ready(stack) == left


def leftover(stack: Stack, new_project: NewProject) -> StagedJob:
    """A job that failed, and whose rollback removed nothing."""
    job = open_job(new_project())
    job.run(create_database)
    assert (
        job.record_failure({"Create tenant database": {"Error": "DatabaseCreationFailed", "Cause": "{}"}})["outcome"]
        == "rollback_incomplete"
    )
    return job


def test_what_an_earlier_job_left_becomes_removing_when_its_retry_opens(stack: Stack, new_project: NewProject) -> None:
    earlier = leftover(stack, new_project)
    later = open_job(earlier.project_id, retries=earlier.job_id)
    states: dict[str, Any] = {row["tenant_id"]: row["state"] for row in look(stack, later.project_id).tenants}
    assert states == {earlier.tenant_id: "removing", later.tenant_id: "making"}
    assert chosen(stack, earlier)["look_again_at"] is not None, "reconcile removes it"


def test_a_job_that_is_refused_leaves_what_an_earlier_one_left(stack: Stack, new_project: NewProject) -> None:
    earlier = leftover(stack, new_project)
    with pytest.raises(ProvisioningError):
        open_job(earlier.project_id, retries=earlier.job_id, database={"size": "db.m7g.large"})
    assert chosen(stack, earlier)["state"] == "making"


@pytest.mark.parametrize("after", [False, True], ids=["before its claim", "after its claim"])
def test_a_job_that_died_keeps_the_tenant_of_the_pool_that_it_was_given(
    stack: Stack, new_project: NewProject, after: bool
) -> None:
    with refilled(stack):
        job = open_job(new_project())
        given = look(stack, job.project_id).tenants
        with dying(register, "claim", after=after), pytest.raises(Died):
            job.run(create_database)
        assert job.run(create_database)["tenant_id"] == given[0]["tenant_id"]
    assert [row["state"] for row in look(stack, job.project_id).tenants] == ["claimed"]


@pytest.mark.parametrize(
    "damage",
    ["DROP DATABASE {database}", "UPDATE pg_database SET datconnlimit = -2 WHERE datname = {name}"],
    ids=["dropped", "left by a DROP that was cut off"],
)
def test_a_tenant_of_the_pool_whose_database_is_gone_is_made_once_more(
    stack: Stack, new_project: NewProject, damage: str
) -> None:
    with refilled(stack):
        job = open_job(new_project())
        database = job.names.database
        done = sql.SQL(damage).format(database=sql.Identifier(database), name=sql.Literal(database))
        execute(stack, "postgres", done)
        job.run(create_database)
    (row,) = look(stack, job.project_id).tenants
    assert (row["state"], row["prepared"]) == ("claimed", None), "its schema is made once more, too"
    with closing(schema.connect(secret_of(stack, job))):
        pass
