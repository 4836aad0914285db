"""A suspension or resumption acts as another tenant's roles only while no job of that tenant does."""

import pytest
from psycopg2 import sql

from provisioning.errors import ResumptionFailed, SuspensionFailed
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from stages.access import restore_access, suspend_access
from tests.isolation.test_removals_beside_jobs import at_work
from tests.stages.jobs import Context, execute
from tests.stages.suspending import Tenant, is_out, let_in, opened, repair_before_16, session_of


def test_a_guest_is_out_and_its_tenants_job_keeps_its_membership(tenant: Tenant, other: Tenant) -> None:
    let_in(tenant, other)
    with session_of(other, tenant) as session, at_work(tenant.stack, other.names):
        tenant.suspend()
        assert is_out(session)


def test_what_a_guest_has_prepared_is_rolled_back_once_its_tenants_job_has_ended(
    tenant: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in(tenant, other)
    with session_of(other, tenant) as session, session.cursor() as cursor:
        cursor.execute("BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'theirs'")
    job = opened(tenant, tenant.job(SUSPEND_PROJECT))
    with monkeypatch.context() as short, at_work(tenant.stack, other.names):
        short.setattr(Context, "get_remaining_time_in_millis", lambda _: 2000)
        with pytest.raises(SuspensionFailed, match="1 prepared transactions"):
            job.run(suspend_access)
    assert job.run(suspend_access)["prepared_transactions"] == 1
    assert execute(tenant.stack, "postgres", "SELECT gid FROM pg_prepared_xacts") == []


def test_a_grant_of_a_guest_is_put_back_once_its_tenants_job_has_ended(tenant: Tenant, other: Tenant) -> None:
    let_in(tenant, other, with_option=True)
    with session_of(other, tenant) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO anon").format(sql.Identifier(tenant.names.database)))
    before = tenant.catalogs()
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT))
    with at_work(tenant.stack, other.names):
        busy = f"a job of the tenant of {other.names.login_role}, which had granted access, is at work"
        with pytest.raises(ResumptionFailed, match=busy):
            job.run(restore_access)
    job.run(restore_access)
    repair_before_16(tenant)
    assert tenant.catalogs() == before
