"""A job that is refused says what stands in its way and which commands lead on, never that nothing is left."""

from contextlib import ExitStack

import pytest
from psycopg2 import sql

from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.running import SERVICES, Ran, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

COMPENSATIONS = ("RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction")
FIND_TENANT = "SELECT tenant_id, state FROM control_plane.tenants WHERE job_id = {}"


def tenant_of(stack: Stack, job_id: str) -> tuple[str, str]:
    """The tenant of a job, and its state."""
    ((tenant_id, state),) = execute(stack, sql.SQL(FIND_TENANT).format(sql.Literal(job_id)), "control_plane")
    return tenant_id, state


@pytest.fixture(scope="module")
def left(stack: Stack, new_project: NewProject) -> Ran:
    """A job with every kind of resource, none of which could be removed."""

    def refuse(*_: object) -> None:
        raise RuntimeError("not now")

    with failing(stack, STAGES["finalizing"], Fault.ERROR), ExitStack() as refusing:
        for function in COMPENSATIONS:
            refusing.enter_context(stack.runtime.replaced(function, refuse))
        ran = run(stack, payload_for(new_project(), *SERVICES))
    assert ran.cause.startswith("rollback_incomplete: ")
    return ran


def project_of(stack: Stack, job_id: str) -> str:
    query = sql.SQL("SELECT project_id FROM control_plane.jobs WHERE job_id = {}").format(sql.Literal(job_id))
    ((project_id,),) = execute(stack, query, "control_plane")
    return str(project_id)


def test_a_start_beside_leftovers_names_the_job_all_that_is_left_and_both_commands(stack: Stack, left: Ran) -> None:
    project_id, (tenant_id, _) = project_of(stack, left.job_id), tenant_of(stack, left.job_id)
    refused = run(stack, payload_for(project_id))
    there = [f"2 API keys of {tenant_id}", *(f"{service} registration of {tenant_id}" for service in sorted(SERVICES))]
    there.append(f"database tenant_{tenant_id} with its roles and secret")
    assert refused.error == "ProjectNotEligible"
    assert refused.cause == (
        f"failed: initializing failed: the rollback of the job {left.job_id} of the project {project_id} is incomplete."
        f" Still there of {left.job_id}, or not known to be gone: {', '.join(sorted(there))}."
        f" Next: provision rollback {left.job_id} or provision retry {left.job_id}."
    )


def test_whoever_may_not_know_a_project_is_not_told_of_its_jobs(stack: Stack, left: Ran) -> None:
    project_id = project_of(stack, left.job_id)
    refused = run(stack, payload_for(project_id, organization_id="org-other"))
    assert refused.error == "ProjectNotFound"
    assert left.job_id not in refused.cause
    assert tenant_of(stack, left.job_id)[0] not in refused.cause


def test_a_project_that_nobody_knows_is_refused_with_the_command_that_adds_it(stack: Stack) -> None:
    # On another version of PostgreSQL than the newest, the payload also names that.
    assert run(stack, payload_for("p-nowhere", "auth", organization_id="o")).cause.startswith(
        "failed: initializing failed: there is no project p-nowhere of this organization and owner. Next:"
        " provision create p-nowhere --org o --owner OWNER --region us-east-1 --service auth"
    )


def test_a_retry_succeeds_with_a_tenant_of_its_own_and_leaves_the_other_to_its_removal(
    stack: Stack, new_project: NewProject
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("not now")

    payload = payload_for(new_project())
    with (
        failing(stack, STAGES["creating_schema"], Fault.ERROR),
        stack.runtime.replaced("DropDatabaseFunction", refuse),
    ):
        failed = run(stack, payload)
    tenant_id, _ = tenant_of(stack, failed.job_id)
    retried = run(stack, payload | {"retries": failed.job_id})
    assert retried.status == "SUCCEEDED"
    assert retried.output["tenant_id"] != tenant_id
    assert tenant_of(stack, failed.job_id) == (tenant_id, "removing")
