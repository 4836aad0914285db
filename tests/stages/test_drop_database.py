"""Drop tenant database removes everything of the job's tenants, even if it is in use, and nothing else."""

from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest

from local.stack import Stack
from provisioning.cluster import register
from provisioning.tenant import holding, schema
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import Died, StagedJob, dying, execute, open_job, refilled
from tests.stages.test_create_database import NOTHING, resources, secret_of


def test_everything_is_removed_and_connected_sessions_are_ended(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    with closing(schema.connect(secret_of(stack, job))) as tenant:
        removed = job.run(drop_database)["removed"]
        with pytest.raises(psycopg2.OperationalError), tenant.cursor() as cursor:
            cursor.execute("SELECT 1")
    names = job.names
    assert removed == [names.database, names.login_role, names.owner_role, names.secret]
    assert resources(stack, job) == NOTHING


def test_a_removal_that_was_cut_off_is_finished(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    # What an interrupted DROP DATABASE leaves.
    execute(stack, "postgres", "UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s", job.names.database)
    assert job.names.database in job.run(drop_database)["removed"]
    assert resources(stack, job) == NOTHING


def test_what_was_looked_for_and_not_found_is_removed_until_its_last_look(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.run(drop_database)
    (tenant,), (registered,) = look(stack, job.project_id).tenants, look(stack, job.project_id).registered
    assert (tenant["state"], tenant["gone_at"], registered["state"]) == ("removing", None, "removing")
    assert tenant["look_again_at"] - tenant["removed_at"] >= timedelta(seconds=holding.LAST_LOOK_SECONDS)


def test_removing_twice_is_fine(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.run(drop_database)
    assert job.run(drop_database) == {"removed": [], "unknown": []}


@pytest.mark.parametrize("opened", [True, False])
def test_removing_before_anything_was_created_is_fine(stack: Stack, project_id: str, opened: bool) -> None:
    job = open_job(project_id) if opened else StagedJob("job-nobody-opened", {"project_id": project_id})
    assert job.run(drop_database) == {"removed": [], "unknown": []}


def test_a_compensation_leaves_what_a_later_job_of_the_project_made(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.roll_back()
    later = open_job(job.project_id)
    later.run(create_database)
    before = resources(stack, later)
    assert job.run(drop_database) == {"removed": [], "unknown": []}
    assert resources(stack, later) == before


def test_a_tenant_of_the_pool_is_removed_before_and_after_the_job_has_claimed_it(
    stack: Stack, new_project: NewProject
) -> None:
    with refilled(stack, 2):
        before, after = open_job(new_project()), open_job(new_project())
        with dying(register, "claim", after=False), pytest.raises(Died):
            before.run(create_database)
        after.run(create_database)
        for job in (before, after):
            assert job.names.database in job.run(drop_database)["removed"]
            assert resources(stack, job) == NOTHING


def test_a_tenant_of_the_pool_that_its_job_never_touched_is_ready_for_the_next(
    stack: Stack, new_project: NewProject
) -> None:
    with refilled(stack):
        job = open_job(new_project())
        job.record_failure({"initializing": {"Error": "States.Timeout", "Cause": ""}})
        assert open_job(new_project()).tenant_id == job.tenant_id
