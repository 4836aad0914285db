"""PostgreSQL itself refuses two unfinished jobs with one key, and a failed project with a live tenant."""

from itertools import product

import pytest
from psycopg2.errors import CheckViolation, UniqueViolation

from local.stack import Stack
from provisioning.identity import new_tenant_id
from provisioning.jobs.declaration import JobType, ProjectStatus
from provisioning.jobs.registry import DECLARATIONS
from tests.stages.declared_jobs import SET_STATUS, status_of
from tests.stages.jobs import execute

INSERT_JOB = """
    INSERT INTO control_plane.jobs (job_id, job_type, status, project_id, excludes) VALUES (%s, %s, %s, %s, %s)
"""
INSERT_TENANT = """
    INSERT INTO control_plane.tenants (tenant_id, cluster_id, project_id, job_id, state)
    VALUES (%s, 'local', %s, 'job', %s)
"""
SET_STATE = "UPDATE control_plane.tenants SET state = %s WHERE tenant_id = %s"

every_pair = pytest.mark.parametrize(("first", "second"), list(product(DECLARATIONS, repeat=2)))


@every_pair
@pytest.mark.parametrize("stand", ["pending", "running"])
def test_of_two_unfinished_jobs_of_one_project_postgresql_takes_one(
    stack: Stack, project_id: str, first: JobType, second: JobType, stand: str
) -> None:
    keys = [DECLARATIONS[job_type].excludes(project_id) for job_type in (first, second)]
    execute(stack, "control_plane", INSERT_JOB, f"{project_id}-first", first, stand, project_id, keys[0])
    with pytest.raises(UniqueViolation, match="jobs_one_running_per_key"):
        execute(stack, "control_plane", INSERT_JOB, f"{project_id}-second", second, "running", project_id, keys[1])


@every_pair
def test_an_ended_job_excludes_nothing(stack: Stack, project_id: str, first: JobType, second: JobType) -> None:
    keys = [DECLARATIONS[job_type].excludes(project_id) for job_type in (first, second)]
    execute(stack, "control_plane", INSERT_JOB, f"{project_id}-first", first, "rolled_back", project_id, keys[0])
    execute(stack, "control_plane", INSERT_JOB, f"{project_id}-second", second, "running", project_id, keys[1])


@pytest.mark.parametrize("state", ["active", "suspended"])
@pytest.mark.parametrize("status", [status for status in ProjectStatus if status is not ProjectStatus.FAILED])
def test_a_project_with_a_live_tenant_neither_comes_to_failed_nor_leaves_it(
    stack: Stack, project_id: str, status: ProjectStatus, state: str
) -> None:
    """The project gets one status before its tenant is live, because that is the only way to reach it."""
    tenant_id = new_tenant_id()
    execute(stack, "control_plane", INSERT_TENANT, tenant_id, project_id, "claimed")
    for before, after in ((status, ProjectStatus.FAILED), (ProjectStatus.FAILED, status)):
        execute(stack, "control_plane", SET_STATE, "claimed", tenant_id)
        execute(stack, "control_plane", SET_STATUS, before, project_id)
        execute(stack, "control_plane", SET_STATE, state, tenant_id)
        with pytest.raises(CheckViolation, match=f"the project {project_id} has a live tenant"):
            execute(stack, "control_plane", SET_STATUS, after, project_id)
        assert status_of(stack, project_id) == before


def test_a_project_with_a_live_tenant_changes_between_its_other_statuses(stack: Stack, project_id: str) -> None:
    execute(stack, "control_plane", INSERT_TENANT, new_tenant_id(), project_id, "active")
    for status in (ProjectStatus.ACTIVE, ProjectStatus.SUSPENDING, ProjectStatus.SUSPENDED, ProjectStatus.RESUMING):
        execute(stack, "control_plane", SET_STATUS, status, project_id)
    assert status_of(stack, project_id) == "resuming"


@pytest.mark.parametrize("state", ["making", "claimed", "disputed", "removing", "gone"])
def test_a_tenant_that_is_not_live_keeps_no_project_in_failed(stack: Stack, project_id: str, state: str) -> None:
    execute(stack, "control_plane", INSERT_TENANT, new_tenant_id(), project_id, state)
    for status in (ProjectStatus.FAILED, ProjectStatus.PROVISIONING):
        execute(stack, "control_plane", SET_STATUS, status, project_id)
    assert status_of(stack, project_id) == "provisioning"
