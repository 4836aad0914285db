"""A job among thousands of tenants finds what it reads in the control plane by an index."""

from collections.abc import Iterator

import pytest

from local.stack import Stack
from stages.activation import finalize
from stages.api_keys import generate_api_keys
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.stages.jobs import REGISTER, execute, lambda_environment, open_job, refilled

FILL = """
    INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region, status)
    SELECT 'filler-' || n, 'filler', 'filler', 'us-east-1', 'active' FROM generate_series(1, 3000) AS n;
    INSERT INTO control_plane.jobs (job_id, project_id, cluster_id, job_type, payload, status, current_stage)
    SELECT 'filler-' || n, 'filler-' || n, 'local', 'provision_project', '{}', 'succeeded', 'completed'
    FROM generate_series(1, 3000) AS n;
    INSERT INTO control_plane.tenants (tenant_id, cluster_id, project_id, job_id, state)
    SELECT 'filler' || translate(lpad(n::text, 14, '0'), '0123456789', 'abcdefghij'), 'local',
           'filler-' || n, 'filler-' || n, 'active'
    FROM generate_series(1, 3000) AS n;
    INSERT INTO control_plane.service_registrations (tenant_id, service, job_id, status)
    SELECT tenant_id, service, job_id, 'registered'
    FROM control_plane.tenants, unnest(ARRAY ['auth', 'realtime', 'storage', 'pooler']) AS service
    WHERE starts_with(tenant_id, 'filler');
    INSERT INTO control_plane.api_key_secrets (tenant_id, job_id)
    SELECT tenant_id, job_id FROM control_plane.tenants WHERE starts_with(tenant_id, 'filler');
    UPDATE control_plane.clusters SET capacity = capacity + 3000 WHERE cluster_id = 'local';
"""
CLEAR = """
    DELETE FROM control_plane.api_key_secrets WHERE starts_with(tenant_id, 'filler');
    DELETE FROM control_plane.service_registrations WHERE starts_with(tenant_id, 'filler');
    DELETE FROM control_plane.tenants WHERE starts_with(tenant_id, 'filler');
    DELETE FROM control_plane.jobs WHERE starts_with(project_id, 'filler-');
    DELETE FROM control_plane.projects WHERE starts_with(project_id, 'filler-');
    UPDATE control_plane.clusters SET capacity = capacity - 3000 WHERE cluster_id = 'local';
"""
TABLES = ("api_key_secrets", "service_registrations", "tenants", "jobs", "projects")
READ = "SELECT relname::text, seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'control_plane'"


@pytest.fixture
def many_tenants(stack: Stack) -> Iterator[None]:
    """The records of that many tenants, which have nothing else."""
    execute(stack, "control_plane", FILL)
    execute(stack, "control_plane", "ANALYZE")
    yield
    execute(stack, "control_plane", CLEAR)


def rows_read_whole(stack: Stack) -> dict[str, int]:
    """Return how many rows of each table were ever read by a sequential scan."""
    return {table: read for table, read in execute(stack, "control_plane", READ) if table in TABLES}


@pytest.mark.usefixtures("many_tenants")
def test_a_job_goes_through_no_table_of_the_control_plane_in_every_stage(stack: Stack, new_project: NewProject) -> None:
    project_id = new_project()
    with refilled(stack):
        before = rows_read_whole(stack)
        # What a session has read is counted at the latest when it has ended.
        with lambda_environment():
            job = open_job(project_id)
            for handler in (create_database, create_schema, *REGISTER.values(), generate_api_keys, finalize):
                job.run(handler)
        read = {table: rows - before[table] for table, rows in rows_read_whole(stack).items()}
        ((held,),) = execute(stack, "control_plane", "SELECT count(*) FROM control_plane.tenants")
        # Verify project counts the tenants of its cluster, as a refill does, whose reads are reported late. A record
        # without an index would be searched for in every stage.
        assert sum(read.values()) < 8 * held
