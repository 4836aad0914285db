"""Drop tenant database: everything that carries the job's mark goes, whoever uses it, and nothing else."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest

from local.stack import Stack
from provisioning import tenant_schema
from stages.create_database import create_database, drop_database
from tests.stages.jobs import StagedJob, execute, open_job
from tests.stages.test_create_database import NOTHING, resources, secret_of

WORKERS = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'autovacuum worker'"


def test_everything_is_removed_again_with_whoever_is_connected(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    with closing(tenant_schema.issued_connection(secret_of(stack, job))) as tenant:
        removed = job.run(drop_database)["removed"]
        with pytest.raises(psycopg2.OperationalError), tenant.cursor() as cursor:
            cursor.execute("SELECT 1")
    names = job.names
    assert removed == [names.database, names.login_role, names.owner_role, names.secret]
    assert resources(stack, job) == NOTHING


@pytest.mark.parametrize("connected", [False, True])
def test_a_database_that_autovacuum_is_at_work_in_is_removed(stack: Stack, job: StagedJob, connected: bool) -> None:
    job.run(create_database)
    with ExitStack() as sessions:
        if connected:
            sessions.enter_context(closing(tenant_schema.issued_connection(secret_of(stack, job))))
        sessions.enter_context(autovacuum_at_work(stack, job.names.database))
        job.run(drop_database)
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


@contextmanager
def autovacuum_at_work(stack: Stack, database: str) -> Iterator[None]:
    """An autovacuum worker that stays busy in the database for longer than a test lasts."""
    slowly = {"autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1"}
    for name, value in slowly.items():
        execute(stack, "postgres", f"ALTER SYSTEM SET {name} = '{value}'")
    execute(stack, "postgres", "SELECT pg_reload_conf()")
    try:
        execute(stack, database, "CREATE TABLE public.large AS SELECT repeat('x', 500) FROM generate_series(1, 20000)")
        execute(stack, database, "DELETE FROM public.large")
        deadline = time.monotonic() + 30
        while not execute(stack, "postgres", WORKERS, database):
            assert time.monotonic() < deadline, "autovacuum never came"
        yield
    finally:
        for name in slowly:
            execute(stack, "postgres", f"ALTER SYSTEM RESET {name}")
        execute(stack, "postgres", "SELECT pg_reload_conf()")
