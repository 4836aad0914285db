"""Drop tenant database: everything that carries the job's mark goes, whoever uses it, and nothing else."""

from contextlib import closing

import psycopg2
import pytest

from local.stack import Stack
from provisioning import tenant_schema
from stages.create_database import create_database, drop_database
from tests.stages.jobs import StagedJob, execute, open_job
from tests.stages.test_create_database import NOTHING, resources, secret_of


def test_everything_is_removed_again_with_whoever_is_connected(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    with closing(tenant_schema.issued_connection(secret_of(stack, job))) as tenant:
        removed = job.run(drop_database)["removed"]
        with pytest.raises(psycopg2.OperationalError), tenant.cursor() as cursor:
            cursor.execute("SELECT 1")
    names = job.names
    assert removed == [names.database, names.login_role, names.owner_role, names.secret]
    assert resources(stack, job) == NOTHING


def test_a_removal_that_was_cut_off_is_finished(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    # What PostgreSQL leaves of a database whose DROP was interrupted.
    execute(stack, "postgres", "UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s", job.names.database)
    assert job.names.database in job.run(drop_database)["removed"]
    assert resources(stack, job) == NOTHING


def test_removing_twice_is_fine(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.run(drop_database)
    assert job.run(drop_database) == {"removed": []}


@pytest.mark.parametrize("opened", [True, False])
def test_removing_before_anything_was_created_is_fine(stack: Stack, project_id: str, opened: bool) -> None:
    job = open_job(project_id) if opened else StagedJob("job-nobody-opened", {"project_id": project_id})
    assert job.run(drop_database) == {"removed": []}


def test_a_compensation_leaves_what_a_later_job_of_the_project_made(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.roll_back()
    later = open_job(job.project_id)
    later.run(create_database)
    before = resources(stack, later)
    assert job.run(drop_database) == {"removed": []}
    assert resources(stack, later) == before
