"""provision doctor on tenants: those that only one side knows, that are disputed, and that are still to be removed."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.identity import new_tenant_id
from tests.cli.examining import changed_registered, changed_tenant, examined, facts_of, pooled, rename
from tests.executions.running import execute, invoke, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow


def test_a_database_that_only_one_side_knows_after_a_restore(stack: Stack, project_id: str) -> None:
    ran, other = run(stack, payload_for(project_id)), new_tenant_id()
    name = ran.output["database"]["name"]
    rename(stack, name, f"tenant_{other}")
    try:
        lost, unknown = facts_of(ran.output["tenant_id"]), facts_of(other)
    finally:
        rename(stack, f"tenant_{other}", name)
    assert [(name in fact, fact.endswith("is not there")) for fact in lost] == [(True, True)]
    assert [fact.endswith("unknown to the control plane") for fact in unknown] == [True]


def test_a_database_of_the_pool_is_known_and_one_that_only_one_side_knows_is_told(stack: Stack) -> None:
    other = new_tenant_id()
    with pooled(stack) as tenant_id:
        assert facts_of(tenant_id) == []
        rename(stack, f"tenant_{tenant_id}", f"tenant_{other}")
        try:
            lost, unknown = facts_of(tenant_id), facts_of(other)
        finally:
            rename(stack, f"tenant_{other}", f"tenant_{tenant_id}")
    assert [fact.endswith("is not there") for fact in lost] == [True]
    assert [fact.endswith("unknown to the control plane") for fact in unknown] == [True]


def test_a_database_that_only_the_register_knows_is_named_with_its_holder(stack: Stack) -> None:
    with (
        pooled(stack) as tenant_id,
        changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()),
        changed_registered(stack, tenant_id, job_id="job-lost", project_id="p-lost"),
    ):
        (fact,) = facts_of(tenant_id)
    assert f"tenant_{tenant_id} (job job-lost for project p-lost of control plane " in fact
    assert fact.endswith("unknown to the control plane")


def test_a_database_of_another_control_plane_is_not_unknown_but_counted(stack: Stack) -> None:
    with (
        pooled(stack) as tenant_id,
        changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()),
        changed_registered(stack, tenant_id, control_plane_id=str(uuid.uuid4())),
    ):
        assert facts_of(tenant_id) == []
        (one,) = [one for one in examined() if one.subject == "cluster local"]
    assert "; 1 tenants of other control planes;" in one.fact


def test_a_disputed_tenant_is_named_with_its_cluster_and_the_registers_holder(stack: Stack, project_id: str) -> None:
    twin = str(uuid.uuid4())
    with (
        pooled(stack) as tenant_id,
        changed_registered(stack, tenant_id, control_plane_id=twin, job_id="job-of-twin", project_id="p-of-twin"),
    ):
        ran = run(stack, payload_for(project_id))
        (fact,) = facts_of(tenant_id)
        # The pool takes it back to remove it.
        reset = sql.SQL(
            "UPDATE control_plane.tenants SET state = 'ready', job_id = NULL, project_id = NULL WHERE tenant_id = {}"
        )
        execute(stack, reset.format(sql.Literal(tenant_id)), "control_plane")
    assert ran.status == "SUCCEEDED"
    holder = f"job job-of-twin for project p-of-twin of control plane {twin}"
    assert fact == f"tenant {tenant_id} is disputed: the register gives it to {holder}"


@pytest.fixture
def removed(stack: Stack, project_id: str) -> Iterator[str]:
    """The id of a tenant that a rollback has removed, and that is gone afterwards."""
    with failing(stack, STAGES["finalizing"], Fault.ERROR):
        run(stack, payload_for(project_id, "auth"))
    query = sql.SQL("SELECT tenant_id FROM control_plane.tenants WHERE project_id = {}")
    ((tenant_id,),) = execute(stack, query.format(sql.Literal(project_id)), "control_plane")
    yield tenant_id
    for _ in range(2):
        look(stack, tenant_id)
    query = sql.SQL("SELECT state FROM control_plane.tenants WHERE tenant_id = {}")
    assert execute(stack, query.format(sql.Literal(tenant_id)), "control_plane") == [("gone",)]
    assert facts_of(tenant_id) == []


def look(stack: Stack, tenant_id: str) -> Any:
    due = sql.SQL("UPDATE control_plane.tenants SET look_again_at = now() - interval '1 hour' WHERE tenant_id = {}")
    execute(stack, due.format(sql.Literal(tenant_id)), "control_plane")
    return invoke(stack, "ReconcileFunction", {})


def test_a_tenant_whose_look_is_not_due_yet_is_fine(stack: Stack, removed: str) -> None:
    assert facts_of(removed) == []


def test_a_tenant_that_is_overdue_for_its_look_is_named(stack: Stack, removed: str) -> None:
    with changed_tenant(stack, removed, look_again_at="2026-01-01"):
        assert facts_of(removed) == [f"tenant {removed} is being removed and overdue for its look"]


def test_a_tenant_that_cannot_be_removed_is_named_with_the_reason(
    stack: Stack, removed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("AUTH_SERVICE_URL", "http://127.0.0.1:1/auth")
        answer, failed = look(stack, removed)
    assert failed
    assert facts_of(removed) == [f"tenant {removed} cannot be removed: {answer['errorMessage']}"]
