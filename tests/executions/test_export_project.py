"""Executions of export_project: one that succeeds, and those that are rolled back, on the state machine that ships."""

from typing import Any

import pytest

from local.lambda_environment import Handler
from local.stack import Stack
from provisioning.jobs.export_project import EXPORT_PROJECT
from tests.conftest import NewProject
from tests.executions.running import Ran, ended, replaced
from tests.executions.stage_faults import named
from tests.stages.exporting import NOTHING, kept_of, left
from tests.stages.jobs import lambda_environment
from tests.stages.suspending import Tenant, live_tenant


@pytest.fixture(scope="module")
def tenant(stack: Stack, new_project: NewProject) -> Tenant:
    with lambda_environment():
        return live_tenant(stack, new_project())


def run(stack: Stack, payload: dict[str, Any]) -> Ran:
    return ended(stack, stack.start_execution(payload, job_type=EXPORT_PROJECT.job_type))


def test_an_execution_exports_a_project_and_leaves_it_as_it_was(stack: Stack, tenant: Tenant) -> None:
    before = tenant.catalogs()
    ran = run(stack, {"project_id": tenant.project_id})
    assert ran.status == "SUCCEEDED", ran.cause
    assert ran.output is not None
    assert left(tenant) == kept_of(ran.output)
    assert (ran.output["status"], ran.output["tables"]) == ("active", 3)
    assert tenant.catalogs() == before
    for name in ("dump", "manifest"):
        stack.client("s3").delete_object(Bucket=ran.output["bucket"], Key=ran.output[name])


def test_an_execution_whose_stage_fails_three_times_leaves_nothing(stack: Stack, tenant: Tenant) -> None:
    def fail(handler: Handler, event: Any, context: Any) -> Any:
        handler(event, context)
        raise named("Lambda.Unknown")

    with replaced(stack, "ExportDatabaseFunction", fail):
        ran = run(stack, {"project_id": tenant.project_id})
    assert (ran.status, ran.error) == ("FAILED", "StageCrashed")
    assert "Nothing is left" in ran.cause
    assert left(tenant) == NOTHING
    assert tenant.row("projects", "status") == "active"


def test_an_execution_whose_last_stage_fails_takes_its_dump_back(stack: Stack, tenant: Tenant) -> None:
    def fail(handler: Handler, event: Any, context: Any) -> Any:
        raise named("Lambda.Unknown")

    with replaced(stack, "FinalizeFunction", fail):
        ran = run(stack, {"project_id": tenant.project_id})
    assert ran.status == "FAILED"
    assert "Rolled back: object" in ran.cause
    assert left(tenant) == NOTHING
