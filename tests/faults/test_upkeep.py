"""Upkeep finishes a rollback that left something, once the failed dependency is reachable."""

from typing import Any
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.errors import RollbackFailed
from provisioning.tenant import removing
from tests.executions.last_look import look_last
from tests.executions.looking import look
from tests.executions.running import ended, execute, replaced
from tests.executions.stage_faults import STAGES, Fault, failing, named
from tests.executions.worlds import problems_of_gone, problems_of_rolled_back
from tests.faults.jobs import new_project, roll_back, start_job

GIVE_AWAY = "UPDATE register.tenants SET job_id = 'of a later backup' WHERE job_id = {job}"
ANOTHER_TENANT = """
    INSERT INTO control_plane.tenants (tenant_id, cluster_id, job_id, project_id, state)
    SELECT reverse(tenant_id), cluster_id, {job}, {project}, 'removing' FROM control_plane.tenants WHERE job_id = {job}
"""
COMPENSATIONS = {"RevokeApiKeysFunction": "3 API keys of ", "DeregisterServicesFunction": "auth registration of "}


def unreachable(handler: Any, event: Any, context: Any) -> Any:
    raise named("Lambda.Unknown")


@pytest.mark.parametrize("function", COMPENSATIONS)
def test_a_compensation_that_never_ran_is_made_up_for_by_upkeep(stack: Stack, function: str) -> None:
    project_id = new_project()
    with failing(stack, STAGES["finalizing"], Fault.ERROR), replaced(stack, function, unreachable):
        failed = ended(stack, start_job(stack, project_id))
    assert f"Still there: {COMPENSATIONS[function]}" in failed.cause
    assert problems_of_rolled_back(look(stack, project_id)) != []
    look_last(stack, project_id)
    look_last(stack, project_id)
    assert problems_of_gone(look(stack, project_id)) == []


def test_a_removal_that_stopped_half_way_is_finished_by_upkeep(stack: Stack) -> None:
    project_id, real = new_project(), removing._drop

    def drop_and_fail(*arguments: Any) -> list[str]:
        real(*arguments)
        raise RollbackFailed("the server went away")

    with failing(stack, STAGES["finalizing"], Fault.ERROR), patch.object(removing, "_drop", drop_and_fail):
        failed = ended(stack, start_job(stack, project_id))
    assert "Still there: database tenant_" in failed.cause
    assert look(stack, project_id).secrets != []
    look_last(stack, project_id)
    look_last(stack, project_id)
    assert problems_of_gone(look(stack, project_id)) == []


def test_a_tenant_that_no_compensation_has_reached_waits_for_its_rollback(stack: Stack) -> None:
    project_id = new_project()
    with failing(stack, STAGES["finalizing"], Fault.ERROR), replaced(stack, "DropDatabaseFunction", unreachable):
        failed = ended(stack, start_job(stack, project_id))
    assert "Still there: database tenant_" in failed.cause
    before = look(stack, project_id)
    look_last(stack, project_id)
    assert (look(stack, project_id).databases, look(stack, project_id).secrets) == (before.databases, before.secrets)
    assert roll_back(stack, project_id).status == "rolled_back"
    look_last(stack, project_id)
    assert problems_of_gone(look(stack, project_id)) == []


def test_a_rollback_that_does_not_know_something_stays_incomplete(stack: Stack) -> None:
    project_id = new_project()
    with failing(stack, STAGES["finalizing"], Fault.ERROR), replaced(stack, "DropDatabaseFunction", unreachable):
        ended(stack, start_job(stack, project_id))
    job = {"job": sql.Literal(f"job-{project_id}"), "project": sql.Literal(project_id)}
    execute(stack, sql.SQL(GIVE_AWAY).format(**job), "provisioner_register")
    execute(stack, sql.SQL(ANOTHER_TENANT).format(**job), "control_plane")
    assert roll_back(stack, project_id).status == "rollback_incomplete"
    look_last(stack, project_id)
    world = look(stack, project_id)
    assert sorted(row["state"] for row in world.tenants) == ["disputed", "gone"]
    assert world.jobs[0]["status"] == "rollback_incomplete"
    assert "to somebody else" in world.jobs[0]["leftovers"][0]
