"""A name that is taken by what this job did not make is a conflict, and whatever has it stays as it is."""

from typing import Any
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning import tenant_database
from provisioning.errors import ResourceConflict
from provisioning.naming import TenantNames
from stages.create_database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import StagedJob, execute, open_job

FOREIGN = {
    "a database": "CREATE DATABASE {database} ALLOW_CONNECTIONS false",
    "a database with another job's mark": (
        "CREATE DATABASE {database} ALLOW_CONNECTIONS false",
        "COMMENT ON DATABASE {database} IS 'provisioner project=other job=other'",
    ),
    "a role with the owner's name": "CREATE ROLE {owner}",
    "a role with the login's name": (
        "CREATE ROLE {login} LOGIN",
        "COMMENT ON ROLE {login} IS 'provisioner project=other job=other'",
    ),
}


def make_foreign(stack: Stack, names: TenantNames, statements: str | tuple[str, ...]) -> None:
    for statement in [statements] if isinstance(statements, str) else statements:
        named = statement.format(database=names.database, owner=names.owner_role, login=names.login_role)
        execute(stack, "postgres", named)


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
def test_what_somebody_else_made_is_a_conflict_and_stays_untouched_by_action_and_compensation(
    stack: Stack, job: StagedJob, statements: str | tuple[str, ...]
) -> None:
    make_foreign(stack, job.names, statements)
    before = look(stack, job.project_id)
    with pytest.raises(ResourceConflict, match="was not created by this job") as refusal:
        job.run(create_database)
    assert refusal.value.permanent
    job.run(drop_database)
    after = look(stack, job.project_id)
    assert (after.databases, after.roles, after.secrets) == (before.databases, before.roles, [])


def test_somebody_elses_secret_is_a_conflict_and_stays_untouched(stack: Stack, job: StagedJob) -> None:
    stack.client("secretsmanager").create_secret(Name=job.names.secret, SecretString='{"mine": true}')
    before = look(stack, job.project_id)
    with pytest.raises(ResourceConflict, match="belongs to another job"):
        job.run(create_database)
    job.run(drop_database)
    after = look(stack, job.project_id)
    assert (after.secrets, after.databases, after.roles) == (before.secrets, [], [])


def test_a_name_that_another_job_holds_in_the_control_plane_is_a_conflict(
    stack: Stack, new_project: NewProject, job: StagedJob
) -> None:
    holder = open_job(new_project())
    holder.run(create_database)
    execute(
        stack,
        "control_plane",
        "UPDATE control_plane.tenant_databases SET database_name = %s WHERE project_id = %s",
        job.names.database,
        holder.project_id,
    )
    with pytest.raises(ResourceConflict, match="is held by another job's database"):
        job.run(create_database)
    world = look(stack, job.project_id)
    assert (world.databases, world.roles, world.secrets, world.tenant_databases) == ([], [], [], [])


def test_of_two_who_create_one_name_at_once_the_slower_one_refuses_what_is_not_its_own(
    stack: Stack, job: StagedJob
) -> None:
    def overtaken(session: Any) -> str:
        database = sql.Identifier(job.names.database)
        execute(stack, "postgres", sql.SQL("CREATE DATABASE {} ALLOW_CONNECTIONS false").format(database))
        return "create_database"

    with patch.object(tenant_database, "creation_statement", overtaken), pytest.raises(ResourceConflict):
        job.run(create_database)
    (database,) = look(stack, job.project_id).databases
    assert database["owner"] == "postgres"
