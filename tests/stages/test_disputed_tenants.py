"""A tenant that the register gives to another job is not touched, and the job continues with another one."""

import uuid
from collections.abc import Iterator

import pytest

from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.tenant import holding
from stages.database import create_database, drop_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import Row, look
from tests.stages.jobs import Died, StagedJob, dying, execute, open_job, refilled

GIVEN = """
    INSERT INTO register.tenants (tenant_id, control_plane_id, job_id, project_id)
    VALUES (%s, %s, 'job-before-the-restore', 'p-before-the-restore')
    ON CONFLICT (tenant_id) DO UPDATE
        SET (control_plane_id, job_id, project_id) =
            (EXCLUDED.control_plane_id, EXCLUDED.job_id, EXCLUDED.project_id)
"""
ELSEWHERE = uuid.UUID(int=0)


@pytest.fixture(
    params=[(0, "another job"), (1, "another control plane"), (2, "another job")],
    ids=["to be made", "the pool's last, another control plane's", "of the pool"],
)
def job(stack: Stack, new_project: NewProject, request: pytest.FixtureRequest) -> Iterator[StagedJob]:
    """A job whose tenant the register gives to another."""
    entries, holder = request.param
    ((ours,),) = execute(stack, "control_plane", "SELECT control_plane_id FROM control_plane.identity")
    with refilled(stack, entries):
        opened = open_job(new_project())
        execute(stack, REGISTER, GIVEN, opened.tenant_id, ours if holder == "another job" else str(ELSEWHERE))
        yield opened


def disputed_and_chosen(stack: Stack, job: StagedJob) -> tuple[Row, Row]:
    rows = look(stack, job.project_id).tenants
    (disputed,) = [row for row in rows if row["state"] == "disputed"]
    (chosen,) = [row for row in rows if row["state"] != "disputed"]
    return disputed, chosen


def test_another_tenant_is_answered_and_the_first_one_is_disputed(stack: Stack, job: StagedJob) -> None:
    first = str(job.tenant_id)
    answered = job.run(create_database)["tenant_id"]
    job.run(create_schema)
    disputed, chosen = disputed_and_chosen(stack, job)
    assert (disputed["tenant_id"], chosen["tenant_id"]) == (first, answered)
    assert chosen["state"] in ("claimed", "making")
    assert job.names.database == f"tenant_{answered}"
    assert job.names.database in [database["name"] for database in look(stack, job.project_id).databases]
    assert look(stack, job.project_id).schema_versions != []


def test_the_dispute_and_the_next_claim_are_one_transaction(stack: Stack, job: StagedJob) -> None:
    with dying(holding, "dispute", after=True), pytest.raises(Died):
        job.run(create_database)
    written = "SELECT count(*), count(DISTINCT xmin::text) FROM control_plane.tenants WHERE project_id = %s"
    assert execute(stack, "control_plane", written, job.project_id) == [(2, 1)]


def test_the_disputed_tenant_is_neither_changed_nor_removed_by_its_former_job(stack: Stack, job: StagedJob) -> None:
    first = str(job.tenant_id)
    before = of_tenant(stack, job, first)
    job.run(create_database)
    job.roll_back()
    assert of_tenant(stack, job, first) == before
    assert disputed_and_chosen(stack, job)[1]["removed_at"] is not None


def test_a_compensation_that_knows_only_the_disputed_tenant_removes_the_other(stack: Stack, job: StagedJob) -> None:
    first = str(job.tenant_id)
    job.run(create_database)
    job.tenant_id = first
    job.run(drop_database)
    disputed, chosen = disputed_and_chosen(stack, job)
    assert (disputed["tenant_id"], chosen["state"]) == (first, "removing")
    assert chosen["removed_at"] is not None


def test_a_second_delivery_with_the_disputed_tenant_answers_the_other(job: StagedJob) -> None:
    first = str(job.tenant_id)
    answered = job.run(create_database)
    job.tenant_id = first
    assert job.run(create_database) == answered


def of_tenant(stack: Stack, job: StagedJob, tenant_id: str) -> list[list[Row]]:
    """What exists of a tenant on the cluster and in Secrets Manager, and the register's row."""
    world = look(stack, job.project_id)
    kinds = (world.databases, world.roles, world.secrets, world.registered)
    return [[row for row in kind if tenant_id in str(row)] for kind in kinds]
