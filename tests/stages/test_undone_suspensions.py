"""A rollback and a retry also undo a suspension and a resumption."""

from unittest.mock import Mock

import psycopg2
import pytest
from psycopg2 import sql

from provisioning.cluster import session as sessions
from provisioning.errors import ProjectNotEligible, ProvisioningError, SuspensionFailed
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant import suspensions
from stages.access import restore_access, suspend_access
from stages.services import resume_services, suspend_services
from tests.stages.jobs import execute
from tests.stages.suspending import (
    SUSPENSION,
    Tenant,
    is_out,
    let_in,
    may_log_in,
    opened,
    repair_before_16,
    roll_back,
    session_of,
)

SET_STATUS = "UPDATE control_plane.projects SET status = %s WHERE project_id = %s"


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


def test_a_suspension_that_fails_at_a_prepared_transaction_restores_the_limits(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has raised the limit for the admin, and revoked nothing yet."""
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute("BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'left'")
    before = tenant.catalogs()
    job = opened(tenant, tenant.job(SUSPEND_PROJECT))
    with monkeypatch.context() as patched:
        patched.setattr(suspensions, "record_grants", Mock(side_effect=psycopg2.OperationalError("down")))
        with pytest.raises(SuspensionFailed):
            job.run(suspend_access)
    assert tenant.catalogs() != before
    roll_back(job, resume_services, restore_access)
    repair_before_16(tenant)
    assert tenant.catalogs() == before


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
            f"the rollback of the job {failed.job_id} of the project {tenant.project_id} is incomplete"
        )


def test_a_retry_of_a_suspension_continues_from_what_the_first_one_recorded(tenant: Tenant, other: Tenant) -> None:
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
    """The control plane was restored from a backup older than the job: only the register knows the job."""
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


@pytest.mark.parametrize("declared", [SUSPEND_PROJECT, RESUME_PROJECT], ids=lambda one: one.job_type)
def test_a_retry_that_fails_before_it_begins_undoes_what_the_first_has_done(
    tenant: Tenant, declared: Declaration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster did not answer the retry, but answers its compensations."""
    change, undo = (suspend_access, restore_access), (resume_services, restore_access)
    if declared is RESUME_PROJECT:
        tenant.suspend()
        change, undo = (restore_access, suspend_access), (suspend_services, suspend_access)
    failed = opened(tenant, tenant.job(declared), change[0])
    roll_back(failed)
    retry = opened(tenant, tenant.job(declared, retries=failed.job_id))
    with monkeypatch.context() as patched:
        patched.setattr(sessions, "on", Mock(side_effect=psycopg2.OperationalError("down")))
        with pytest.raises(ProvisioningError):
            retry.run(change[0])
    roll_back(retry, *undo)
    assert may_log_in(tenant) == (tenant.row("projects", "status") == "active")


def test_an_open_transaction_of_another_tenant_is_in_no_rollbacks_way(tenant: Tenant, other: Tenant) -> None:
    let_in(tenant, other)
    with session_of(other) as session, session.cursor() as cursor:
        job = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
        changed = sql.SQL("SET ROLE NONE; BEGIN; ALTER ROLE CURRENT_USER IN DATABASE {} SET work_mem = '2MB'")
        cursor.execute(changed.format(sql.Identifier(tenant.names.database)))
        assert roll_back(job, resume_services, restore_access) == "rolled_back"
    assert may_log_in(tenant)
