"""A suspended tenant lets nobody in, keeps its data, and accepts no other job."""

from contextlib import closing
from unittest.mock import DEFAULT, Mock

import psycopg2
import pytest

from local.stack import Stack
from provisioning.errors import (
    FinalizationFailed,
    JobInProgress,
    ProjectNotEligible,
    ProvisioningError,
    SuspendInProgress,
)
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant import gate
from provisioning.tenant.gate import Entered
from stages.access import suspend_access
from stages.activation import finalize
from tests.stages.jobs import a_job, execute
from tests.stages.suspending import SUSPENSION, Tenant, is_out, opened, session_of

KNOWN = "SELECT 1 FROM control_plane.jobs WHERE job_id = %s"
FAILED = """
    UPDATE control_plane.provisioning_steps SET status = 'failed' WHERE job_id = %s AND stage = 'suspending_access'
"""


def test_the_issued_credentials_do_not_work_any_more(tenant: Tenant) -> None:
    tenant.suspend()
    with pytest.raises(psycopg2.OperationalError, match="is not permitted to log in"):
        tenant.connect()


def test_the_project_and_its_tenant_are_suspended(tenant: Tenant) -> None:
    result = tenant.suspend()
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("suspended", "suspended")
    assert (result["project_id"], result["tenant_id"], result["status"]) == (
        tenant.project_id,
        tenant.names.tenant_id,
        "suspended",
    )


def test_the_register_has_it_as_suspended_and_as_done(tenant: Tenant) -> None:
    tenant.suspend()
    assert tenant.registered() == [("suspended", False)]


def test_the_database_allows_connections_still(tenant: Tenant) -> None:
    """pg_upgrade stops at a database that allows no connections."""
    tenant.suspend()
    asked = "SELECT datallowconn FROM pg_database WHERE datname = %s"
    assert execute(tenant.stack, "postgres", asked, tenant.names.database) == [(True,)]


def test_all_that_it_has_is_there_after_it(tenant: Tenant) -> None:
    tenant.run("CREATE TABLE kept AS SELECT 42 AS answer")
    tenant.suspend()
    with closing(tenant.stack.postgres.connect(tenant.names.database)) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT answer FROM public.kept")
        assert cursor.fetchall() == [(42,)]


def test_other_tenants_notice_nothing(tenant: Tenant, other: Tenant) -> None:
    before = other.catalogs()
    with session_of(other) as session:
        tenant.suspend()
        assert not is_out(session)
    assert other.catalogs() == before


@pytest.mark.parametrize("declared", [PROVISION_PROJECT, SUSPEND_PROJECT], ids=lambda one: one.job_type)
def test_a_suspended_project_takes_no_job_but_what_opens_it(tenant: Tenant, declared: Declaration) -> None:
    tenant.suspend()
    job = tenant.job(declared, **({"region": "us-east-1"} if declared is PROVISION_PROJECT else {}))
    with pytest.raises(ProjectNotEligible) as refused:
        job.verify()
    said = f"the project {tenant.project_id} is suspended: provision resume {tenant.project_id}"
    assert str(refused.value) == said


def test_a_resume_that_is_asked_for_during_the_suspension_opens_at_its_next_attempt(tenant: Tenant) -> None:
    suspension, resumption = tenant.job(SUSPEND_PROJECT), tenant.job(RESUME_PROJECT)
    suspension.verify()
    with pytest.raises(SuspendInProgress, match=suspension.job_id):
        resumption.verify()
    assert execute(tenant.stack, "control_plane", KNOWN, resumption.job_id) == []
    for handler in SUSPENSION:
        suspension.run(handler)
    assert resumption.verify()["tenant_id"] == tenant.names.tenant_id


@pytest.mark.parametrize("declared", [PROVISION_PROJECT, SUSPEND_PROJECT], ids=lambda one: one.job_type)
def test_any_other_job_that_is_asked_for_during_the_suspension_is_refused(
    tenant: Tenant, declared: Declaration
) -> None:
    suspension = tenant.job(SUSPEND_PROJECT)
    suspension.verify()
    with pytest.raises(JobInProgress, match=suspension.job_id):
        tenant.job(declared, **({"region": "us-east-1"} if declared is PROVISION_PROJECT else {})).verify()


def test_a_project_without_a_tenant_is_not_suspended(project_id: str, stack: Stack) -> None:
    job = a_job(project_id)
    job.job_type, job.payload = SUSPEND_PROJECT.job_type, {"project_id": project_id}
    with pytest.raises(ProvisioningError, match="is created: provision create "):
        job.verify()


def test_an_attempt_that_is_repeated_changes_nothing(tenant: Tenant) -> None:
    job = tenant.job(SUSPEND_PROJECT)
    job.verify()
    first, closed = job.run(suspend_access), tenant.catalogs()
    execute(tenant.stack, "control_plane", FAILED, job.job_id)
    assert job.run(suspend_access) == first
    assert tenant.catalogs() == closed


def test_finalize_waits_for_a_login_that_is_about_to_be_refused(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = opened(tenant, tenant.job(SUSPEND_PROJECT), *SUSPENSION[:-1])
    look = Mock(wraps=gate.look, side_effect=[Entered(0, 0, 1, 0, 0, 0, 0), DEFAULT])
    monkeypatch.setattr(gate, "look", look)
    assert job.run(finalize)["status"] == "suspended"
    assert look.call_count == 2


@pytest.mark.parametrize("left", ["sessions", "prepared_transactions", "slots", "logins", "grants"])
def test_finalize_refuses_a_tenant_that_somebody_is_in_or_can_enter(
    tenant: Tenant, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = opened(tenant, tenant.job(SUSPEND_PROJECT), *SUSPENSION[:-1])
    found = Entered(0, 0, 1, 0, 0, 0, 0)._replace(**{left: 1})
    monkeypatch.setattr(gate, "look", Mock(return_value=found))
    with pytest.raises(FinalizationFailed, match="left in the tenant"):
        job.run(finalize)
