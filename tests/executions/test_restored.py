"""After a control plane or a register is restored from a backup, no tenant is used twice and no live one is removed."""

import json
import os
from typing import Any
from unittest.mock import patch

from psycopg2 import sql

from local.lambda_environment import Handler
from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.running import SERVICES, execute, payload_for, replaced, run
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned
from tests.faults.live_tenants import dump, of_cluster

OF_JOBS = ("api_keys", "api_key_secrets", "service_registrations", "provisioning_steps", "jobs")
RETURNED = sql.SQL("""
    UPDATE control_plane.tenants SET state = 'ready', job_id = NULL, project_id = NULL, claimed_at = NULL
    WHERE tenant_id = {tenant};
    UPDATE control_plane.projects SET status = 'created', job_id = NULL WHERE project_id = {project}
""")
NOT_CLAIMED = "UPDATE register.tenants SET job_id = NULL, project_id = NULL, state = 'kept' WHERE job_id = {job}"


def one_ready(stack: Stack) -> str:
    """Bring the pool to one tenant and return its id."""
    with patch.dict(os.environ, {"POOL_SIZE": "1"}):
        (tenant_id,) = json.loads(stack.runtime.invoke("RefillPoolsFunction", "{}").payload)["made"]
    return str(tenant_id)


def restore_control_plane(stack: Stack, job_id: str, project_id: str, tenant_id: str) -> None:
    """Restore what the control plane knew before the job was opened."""
    for table in OF_JOBS:
        forget = sql.SQL("DELETE FROM control_plane.{} WHERE job_id = {}")
        execute(stack, forget.format(sql.Identifier(table), sql.Literal(job_id)), "control_plane")
    names = {"tenant": sql.Literal(tenant_id), "project": sql.Literal(project_id)}
    execute(stack, RETURNED.format(**names), "control_plane")


def test_a_tenant_that_the_register_gives_to_an_earlier_job_is_not_used_again(
    stack: Stack, new_project: NewProject
) -> None:
    before, after = new_project(), new_project()
    tenant_id = one_ready(stack)
    earlier = run(stack, payload_for(before, *SERVICES))
    assert earlier.output["tenant_id"] == tenant_id
    live = of_cluster(stack, tenant_id), dump(stack, f"tenant_{tenant_id}")
    restore_control_plane(stack, earlier.job_id, before, tenant_id)
    payload = payload_for(after, *SERVICES)
    later = run(stack, payload)
    assert later.status == "SUCCEEDED"
    assert later.output["tenant_id"] != tenant_id
    assert (of_cluster(stack, tenant_id), dump(stack, f"tenant_{tenant_id}")) == live
    world = look(stack, after)
    disputed = [row["tenant_id"] for row in world.tenants if row["state"] == "disputed"]
    assert disputed == [row["tenant_id"] for row in world.audit if row["action"] == "tenant disputed"] == [tenant_id]


def test_a_job_that_met_a_disputed_tenant_removes_its_own_and_leaves_that_one(
    stack: Stack, new_project: NewProject
) -> None:
    before, after = new_project(), new_project()
    tenant_id = one_ready(stack)
    earlier = run(stack, payload_for(before))
    live = of_cluster(stack, tenant_id), dump(stack, f"tenant_{tenant_id}")
    restore_control_plane(stack, earlier.job_id, before, tenant_id)

    def fail(handler: Handler, event: Any, context: Any) -> Any:
        raise RuntimeError

    with replaced(stack, "FinalizeFunction", fail):
        later = run(stack, payload_for(after))
    assert later.status == "FAILED"
    assert "Nothing is left" in later.cause
    assert (of_cluster(stack, tenant_id), dump(stack, f"tenant_{tenant_id}")) == live
    states = {row["tenant_id"]: row["state"] for row in look(stack, after).tenants}
    assert states.pop(tenant_id) == "disputed"
    assert list(states.values()) == ["removing"]


def test_a_job_whose_claim_the_register_has_lost_is_rolled_back(stack: Stack, project_id: str) -> None:
    def lose_claim(handler: Handler, event: Any, context: Any) -> Any:
        execute(stack, sql.SQL(NOT_CLAIMED).format(job=sql.Literal(event["job_id"])), "provisioner_register")
        return handler(event, context)

    with replaced(stack, "FinalizeFunction", lose_claim):
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error) == ("FAILED", "FinalizationFailed")
    assert "the register does not give the tenant to this job" in ran.cause
    assert problems_after_last_look(stack, project_id) == []


def test_a_live_tenant_whose_row_the_register_has_lost_is_still_nobody_elses(
    stack: Stack, new_project: NewProject
) -> None:
    first, second = new_project(), new_project()
    earlier = run(stack, payload_for(first))
    execute(stack, sql.SQL(NOT_CLAIMED).format(job=sql.Literal(earlier.job_id)), "provisioner_register")
    live = dump(stack, f"tenant_{earlier.output['tenant_id']}")
    payload = payload_for(second)
    assert run(stack, payload).output["tenant_id"] != earlier.output["tenant_id"]
    assert run(stack, {"rolls_back": earlier.job_id}).error == "JobClosed"
    assert dump(stack, f"tenant_{earlier.output['tenant_id']}") == live
    assert problems_of_provisioned(look(stack, second), payload) == []
