"""An attempt or a compensation that resumes after its job has ended changes nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from provisioning.cluster import register
from provisioning.errors import JobClosed
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant import access, suspensions
from stages.access import restore_access, suspend_access
from stages.activation import finalize
from stages.services import resume_services, suspend_services
from tests.stages.jobs import Context, StagedJob, lambda_environment
from tests.stages.suspending import RESUMPTION, SUSPENSION, Tenant, let_in, may_log_in, opened, roll_back


def test_a_late_compensation_opens_no_later_jobs_suspension(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was frozen, its execution continued without it, and a retry has suspended the tenant since."""
    failed = opened(tenant, tenant.job(SUSPEND_PROJECT), suspend_access)
    meanwhile(monkeypatch, access, "open_again", lambda: retried(tenant, failed))
    with pytest.raises(JobClosed):
        failed.run(restore_access)
    assert (tenant.row("projects", "status"), may_log_in(tenant)) == ("suspended", False)


def test_a_late_attempt_writes_nothing_over_a_later_jobs_record(
    tenant: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in(tenant, other)
    before = tenant.catalogs()
    failed = opened(tenant, tenant.job(SUSPEND_PROJECT))
    meanwhile(monkeypatch, suspensions, "record_closing", lambda: retried(tenant, failed))
    with pytest.raises(JobClosed):
        failed.run(suspend_access)
    assert not may_log_in(tenant)
    tenant.resume()
    assert tenant.catalogs() == before


def test_a_compensation_that_wakes_after_its_time_leaves_a_closed_tenant_as_it_is(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was frozen, and a second attempt at it has ended the job."""
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access)
    roll_back(job, suspend_services, suspend_access)
    closed, registered = tenant.catalogs(), tenant.registered()
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: -1000)
    job.run(suspend_access)
    assert (tenant.catalogs(), tenant.registered()) == (closed, registered)


@pytest.mark.parametrize("before", ["lock", "record_state"])
@pytest.mark.parametrize("declared", [SUSPEND_PROJECT, RESUME_PROJECT], ids=lambda one: one.job_type)
def test_a_late_finalize_writes_nothing_over_its_jobs_rollback(
    tenant: Tenant, declared: Declaration, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, undo = SUSPENSION, (resume_services, restore_access)
    if declared is RESUME_PROJECT:
        tenant.suspend()
        change, undo = RESUMPTION, (suspend_services, suspend_access)
    registered = tenant.registered()
    job = opened(tenant, tenant.job(declared), *change[:-1])
    meanwhile(monkeypatch, register, before, lambda: roll_back(job, *undo))
    with pytest.raises(JobClosed):
        job.run(finalize)
    assert tenant.registered() == registered


def meanwhile(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, happens: Callable[[], object]) -> None:
    """Run an action, in a separate environment, between the next call of a function and its beginning."""
    real = getattr(module, name)

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(module, name, real)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(in_an_environment, happens).result()
        return real(*arguments)

    monkeypatch.setattr(module, name, late)


def in_an_environment(happens: Callable[[], object]) -> None:
    with lambda_environment():
        happens()


def retried(tenant: Tenant, failed: StagedJob) -> None:
    roll_back(failed)
    opened(tenant, tenant.job(SUSPEND_PROJECT, retries=failed.job_id), *SUSPENSION)
