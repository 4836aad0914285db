"""A resumed tenant is as it was before its suspension, byte for byte, and is proven to work."""

from typing import Any

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.errors import FinalizationFailed, ProjectNotEligible
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.services import generic
from provisioning.tenant import schema
from stages.access import restore_access, suspend_access
from stages.activation import finalize
from stages.services import resume_services, suspend_services
from tests.conftest import NewProject
from tests.stages.jobs import StagedJob, execute
from tests.stages.suspending import SUSPENSION, Tenant, is_out, live_tenant, session_of
from tests.stages.test_suspension import let_in

CLOSED = "SELECT count(*) FROM pg_roles WHERE rolname = %s AND rolcanlogin"
SET_STATUS = "UPDATE control_plane.projects SET status = %s WHERE project_id = %s"


@pytest.fixture
def tenant(stack: Stack, project_id: str) -> Tenant:
    return live_tenant(stack, project_id)


@pytest.fixture
def other(stack: Stack, new_project: NewProject) -> Tenant:
    """Another tenant of the cluster."""
    return live_tenant(stack, new_project())


def opened(tenant: Tenant, job: StagedJob, *handlers: Any) -> StagedJob:
    """The job, opened and taken through these stages."""
    job.verify()
    for handler in handlers:
        job.run(handler)
    return job


def roll_back(job: StagedJob, *compensations: Any) -> str:
    """Roll a job back as its state machine does, and return how it was closed."""
    for handler in compensations:
        job.run(handler)
    return str(job.record_failure({"finalizing": {"Error": "FinalizationFailed", "Cause": "{}"}})["outcome"])


def may_log_in(tenant: Tenant) -> bool:
    return bool(execute(tenant.stack, "postgres", CLOSED, tenant.names.login_role)[0][0])


def test_roles_passwords_grants_and_settings_are_what_they_were(tenant: Tenant, other: Tenant) -> None:
    """With grants of others than the owner, in an order that no suspension would leave as it is."""
    let_in(tenant, other, with_option=True)
    names = sql.Identifier(tenant.names.database), sql.Identifier(tenant.names.login_role)
    with session_of(other, tenant) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO anon").format(names[0]))
    tenant.run(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO PUBLIC").format(names[0]))
    tenant.run(sql.SQL("GRANT CREATE ON DATABASE {} TO service_role WITH GRANT OPTION").format(names[0]))
    tenant.run(sql.SQL("SET ROLE NONE; ALTER ROLE {} SET work_mem = '8MB'").format(names[1]))
    before = tenant.catalogs()
    tenant.suspend()
    assert tenant.catalogs() != before
    tenant.resume()
    assert tenant.catalogs() == before


def test_a_second_suspension_keeps_what_was_changed_between_the_two(tenant: Tenant, other: Tenant) -> None:
    tenant.suspend()
    tenant.resume()
    let_in(tenant, other)
    before = tenant.catalogs()
    tenant.suspend()
    tenant.resume()
    assert tenant.catalogs() == before


def test_the_issued_credentials_work_again(tenant: Tenant) -> None:
    tenant.run("CREATE TABLE kept AS SELECT 42 AS answer")
    tenant.suspend()
    tenant.resume()
    assert tenant.run("SELECT answer FROM kept") == [(42,)]


def test_the_project_and_its_tenant_are_active(tenant: Tenant) -> None:
    tenant.suspend()
    result = tenant.resume()
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("active", "active")
    assert (result["status"], result["logins"]) == ("active", 1)
    asked = "SELECT state, is_changing FROM register.tenants WHERE tenant_id = %s"
    assert execute(tenant.stack, "provisioner_register", asked, tenant.names.tenant_id) == [("active", False)]


def test_who_was_removed_meanwhile_is_not_let_in_again_and_hinders_nobody(tenant: Tenant) -> None:
    names = sql.Identifier(tenant.names.database), sql.Identifier("somebody_else")
    execute(tenant.stack, "postgres", "CREATE ROLE somebody_else")
    tenant.run(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))
    tenant.suspend()
    execute(tenant.stack, "postgres", "DROP ROLE somebody_else")
    tenant.resume()
    assert tenant.run("SELECT 1") == [(1,)]


def test_a_tenant_whose_schema_is_gone_is_not_active_again(tenant: Tenant) -> None:
    tenant.run("DROP SCHEMA tenant CASCADE")
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access, resume_services)
    with pytest.raises(FinalizationFailed, match="schema is at version 0"):
        job.run(finalize)


def test_a_tenant_of_an_older_schema_version_is_resumed_as_it_was(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.suspend()
    monkeypatch.setattr(schema, "newest_version", lambda: 99)
    assert tenant.resume()["status"] == "active"


def test_a_service_that_does_not_serve_the_tenant_again_is_named(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access, resume_services)
    monkeypatch.setattr(generic.Generic, "ready", lambda _adapter, _tenant_id: False)
    with pytest.raises(FinalizationFailed, match="auth does not serve"):
        job.run(finalize)


def test_the_rollback_of_a_suspension_opens_the_tenant_as_it_was(tenant: Tenant, other: Tenant) -> None:
    let_in(tenant, other)
    before = tenant.catalogs()
    job = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access, suspend_services)
    assert roll_back(job, resume_services, restore_access) == "rolled_back"
    assert tenant.catalogs() == before
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("active", "active")


def test_the_rollback_of_a_resumption_closes_the_tenant_again(tenant: Tenant) -> None:
    tenant.suspend()
    closed = tenant.catalogs()
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access, resume_services)
    with session_of(tenant) as session:
        assert roll_back(job, suspend_services, suspend_access) == "rolled_back"
        assert is_out(session)
    assert tenant.catalogs() == closed
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("suspended", "suspended")


def test_what_was_changed_while_a_resumption_failed_is_kept_as_well(tenant: Tenant, other: Tenant) -> None:
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access)
    let_in(tenant, other)
    before = tenant.catalogs()
    roll_back(job, suspend_services, suspend_access)
    tenant.resume()
    assert tenant.catalogs() == before


@pytest.mark.parametrize("status", ["suspended", "leaving"])
def test_a_resumption_that_failed_gives_the_status_back_that_the_project_had(tenant: Tenant, status: str) -> None:
    tenant.suspend()
    execute(tenant.stack, "control_plane", SET_STATUS, status, tenant.project_id)
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access)
    assert tenant.row("projects", "status") == "resuming"
    roll_back(job, suspend_services, suspend_access)
    assert tenant.row("projects", "status") == status


def test_a_suspension_that_is_not_undone_admits_only_its_rollback_or_retry(tenant: Tenant) -> None:
    failed = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    assert roll_back(failed) == "rollback_incomplete"
    assert tenant.row("projects", "status") == "suspending"
    for declared in (SUSPEND_PROJECT, RESUME_PROJECT):
        with pytest.raises(ProjectNotEligible) as refused:
            tenant.job(declared).verify()
        assert str(refused.value) == (
            f"the job {failed.job_id} of the project {tenant.project_id} has left a closed tenant:"
            f" provision rollback {failed.job_id}, or provision retry {failed.job_id}"
        )


def test_a_retry_of_a_suspension_goes_on_with_what_the_first_has_kept(tenant: Tenant, other: Tenant) -> None:
    let_in(tenant, other)
    before = tenant.catalogs()
    failed = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    roll_back(failed)
    opened(tenant, tenant.job(SUSPEND_PROJECT, retries=failed.job_id), *SUSPENSION)
    assert tenant.row("projects", "status") == "suspended"
    tenant.resume()
    assert tenant.catalogs() == before


def test_a_retry_that_came_to_nothing_undoes_what_the_first_has_done(tenant: Tenant) -> None:
    before = tenant.catalogs()
    failed = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    roll_back(failed)
    retry = opened(tenant, tenant.job(SUSPEND_PROJECT, retries=failed.job_id))
    roll_back(retry, resume_services, restore_access)
    assert tenant.catalogs() == before
    assert tenant.row("projects", "status") == "active"


def test_the_rollback_of_a_job_that_was_retried_touches_nothing(tenant: Tenant) -> None:
    failed = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    roll_back(failed)
    opened(tenant, tenant.job(SUSPEND_PROJECT, retries=failed.job_id), *SUSPENSION)
    closed = tenant.catalogs()
    roll_back(failed, resume_services, restore_access)
    assert tenant.catalogs() == closed
    assert tenant.row("projects", "status") == "suspended"


def test_what_nobody_has_written_down_is_not_opened_but_named(tenant: Tenant) -> None:
    """The control plane was restored from a backup of before the job: the register alone knows of it."""
    job = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    for forgotten in ("suspensions", "provisioning_steps", "jobs"):
        execute(
            tenant.stack,
            "control_plane",
            sql.SQL("DELETE FROM control_plane.{} WHERE job_id = %s").format(sql.Identifier(forgotten)),
            job.job_id,
        )
    answer = job.run(restore_access)
    assert answer["removed"] == []
    (unknown,) = answer["unknown"]
    assert tenant.names.tenant_id in unknown
    assert not may_log_in(tenant)


@pytest.mark.parametrize("is_changing", [True, False], ids=["still at it", "done"])
def test_a_forgotten_suspension_is_undone_only_where_the_register_names_it(tenant: Tenant, is_changing: bool) -> None:
    job = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    execute(
        tenant.stack,
        "provisioner_register",
        "UPDATE register.tenants SET is_changing = %s WHERE tenant_id = %s",
        is_changing,
        tenant.names.tenant_id,
    )
    answer = job.run(restore_access, forgotten=True)
    assert (may_log_in(tenant), answer["unknown"] == []) == (is_changing, is_changing)


def test_no_secret_is_written_down(tenant: Tenant) -> None:
    tenant.suspend()
    assert tenant.document["password"] not in tenant.row("suspensions", "suspensions::text")
