"""After a restore of the control plane a live tenant is never touched, and what is unknown is reported."""

from collections.abc import Iterator

import pytest

from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.errors import RollbackFailed
from stages.activation import finalize
from stages.api_keys import generate_api_keys, revoke_api_keys
from stages.database import create_database, drop_database
from stages.services import deregister_services
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.backups import (
    ELSEWHERE,
    compensated,
    control_plane_backup,
    make_known,
    outside,
    registered_state,
    state,
)
from tests.stages.jobs import STOPPED, StagedJob, execute, look_again, open_job, outdate_pool, refill, refilled

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_forgotten(stack: Stack) -> Iterator[None]:
    yield
    make_known(stack)


@pytest.fixture
def live(stack: Stack, new_project: NewProject) -> Iterator[StagedJob]:
    """Restored to before a claim: the control plane calls the tenant ready, its register and project have it live."""
    with refilled(stack):
        backup = control_plane_backup(stack)
        first = open_job(new_project())
        first.run_until(finalize)
        backup.restore()
        assert state(stack, first) == "ready"
        yield first


def test_after_a_lost_claim_the_next_job_gets_another_tenant(
    stack: Stack, new_project: NewProject, live: StagedJob
) -> None:
    before = outside(stack, live)
    second = open_job(new_project())
    assert second.tenant_id == live.tenant_id
    second.run_until(finalize)
    assert second.tenant_id != live.tenant_id
    assert (outside(stack, live), state(stack, live)) == (before, "disputed")


def test_after_a_lost_claim_the_next_jobs_rollback_leaves_the_tenant(
    stack: Stack, new_project: NewProject, live: StagedJob
) -> None:
    before = outside(stack, live)
    second = open_job(new_project())
    refused = f"the register gives tenant {live.tenant_id} to somebody else"
    assert f"Not known whether anything is left: {refused}." in second.roll_back()["cause"]
    assert (outside(stack, live), state(stack, live)) == (before, "disputed")


def test_after_a_lost_claim_a_refill_leaves_the_tenant_though_it_is_outdated(stack: Stack, live: StagedJob) -> None:
    before = outside(stack, live)
    outdate_pool(stack)
    refill(0)
    assert (outside(stack, live), state(stack, live)) == (before, "disputed")


@pytest.fixture
def lost(stack: Stack, project_id: str) -> StagedJob:
    """Restored to before the job was opened: neither the job nor its tenant is known to the control plane."""
    backup = control_plane_backup(stack)
    job = open_job(project_id)
    job.run(create_database)
    backup.restore()
    return job


def test_the_tenant_of_the_state_is_found_in_the_register_and_removed(stack: Stack, lost: StagedJob) -> None:
    lost.run(deregister_services)
    assert lost.run(drop_database) == {
        "removed": [lost.names.database, lost.names.login_role, lost.names.owner_role, lost.names.secret],
        "unknown": [],
    }
    assert (state(stack, lost), registered_state(stack, lost)) == ("removing", "removing")
    ending = lost.record_failure(STOPPED)
    assert f"Rolled back: {lost.names.database}" in ending["cause"]
    assert "the last look at its secret is due at" in ending["cause"]
    assert lost.tenant_id in look_again(stack, lost.tenant_id)["finished"]


def test_without_a_tenant_in_the_state_the_register_names_those_of_the_job(stack: Stack, lost: StagedJob) -> None:
    database, tenant_id = lost.names.database, lost.tenant_id
    lost.tenant_id = None
    assert database in lost.run(drop_database)["removed"]
    lost.tenant_id = tenant_id
    assert state(stack, lost) == "removing"


@pytest.mark.parametrize(
    "given",
    [
        "UPDATE register.tenants SET job_id = 'job-of-another' WHERE tenant_id = %s",
        "UPDATE register.tenants SET job_id = NULL WHERE tenant_id = %s",
        f"UPDATE register.tenants SET control_plane_id = '{ELSEWHERE}' WHERE tenant_id = %s",
        "DELETE FROM register.tenants WHERE tenant_id = %s",
    ],
    ids=["another job", "nobody", "another control plane", "no row"],
)
def test_a_tenant_that_the_register_does_not_give_to_the_job_stays_and_is_named(
    stack: Stack, lost: StagedJob, given: str
) -> None:
    execute(stack, REGISTER, given, lost.tenant_id)
    before = outside(stack, lost)
    unknown = f"tenant {lost.tenant_id}: neither the control plane nor a register gives it to this job"
    assert lost.run(drop_database) == {"removed": [], "unknown": [unknown]}
    assert outside(stack, lost) == before
    ending = lost.record_failure(STOPPED)
    assert ending["outcome"] == "rollback_incomplete"
    assert f"Not known whether anything is left: {unknown}." in ending["cause"]
    assert "Nothing is left" not in ending["cause"]


def test_a_tenant_that_the_control_plane_gives_to_another_job_stays(
    stack: Stack, new_project: NewProject, lost: StagedJob
) -> None:
    execute(
        stack,
        "control_plane",
        "INSERT INTO control_plane.tenants (tenant_id, cluster_id, project_id, job_id, state)"
        " VALUES (%s, 'local', 'p-of-another', 'job-of-another', 'claimed')",
        lost.tenant_id,
    )
    before = outside(stack, lost)
    (unknown,) = lost.run(drop_database)["unknown"]
    assert "the control plane gives it to another job, a register to this one" in unknown
    assert (outside(stack, lost), state(stack, lost)) == (before, "claimed")


def test_a_forgotten_job_that_nobody_knows_is_not_touched(stack: Stack, lost: StagedJob) -> None:
    before = outside(stack, lost)
    refused = {
        "removed": [],
        "unknown": ["neither Step Functions nor the control plane knows this job: nothing was looked for"],
    }
    assert compensated(lost, forgotten=True) == [refused] * 3
    assert outside(stack, lost) == before


@pytest.fixture
def finished(stack: Stack, project_id: str) -> StagedJob:
    """Restored to before the last commit: a succeeded job is running, and the register has its tenant as live."""
    job = open_job(project_id)
    job.run_until(generate_api_keys)
    backup = control_plane_backup(stack)
    job.run(finalize)
    backup.restore()
    assert (state(stack, job), registered_state(stack, job)) == ("making", "active")
    return job


def test_after_a_lost_last_commit_a_forgotten_jobs_rollback_touches_nothing(stack: Stack, finished: StagedJob) -> None:
    before, keys = outside(stack, finished), look(stack, finished.project_id).api_keys
    refused = f"the register does not give tenant {finished.tenant_id} to this job as unfinished"
    for handler in (revoke_api_keys, deregister_services, drop_database):
        assert finished.run(handler, forgotten=True) == {"removed": [], "unknown": [refused]}
    assert (outside(stack, finished), look(stack, finished.project_id).api_keys) == (before, keys)
    assert look(stack, finished.project_id).tenant["tenant_id"] == finished.tenant_id


def test_the_ending_of_a_refused_rollback_says_what_nobody_knows(stack: Stack, finished: StagedJob) -> None:
    compensated(finished, forgotten=True)
    ending = finished.record_failure(STOPPED)
    assert ending["outcome"] == "rollback_incomplete"
    assert f"the register does not give tenant {finished.tenant_id} to this job as unfinished" in ending["cause"]
    assert "Nothing is left" not in ending["cause"]


def test_after_a_lost_last_commit_the_next_attempt_records_it_again(stack: Stack, finished: StagedJob) -> None:
    finished.run(finalize)
    assert state(stack, finished) == "active"


def test_after_a_refused_rollback_a_retry_does_not_touch_the_live_tenant(stack: Stack, finished: StagedJob) -> None:
    before = outside(stack, finished)
    compensated(finished, forgotten=True)
    finished.record_failure(STOPPED)
    open_job(finished.project_id, retries=finished.job_id)
    assert state(stack, finished) == "removing"
    with pytest.raises(RollbackFailed, match="to somebody else"):
        look_again(stack, finished.tenant_id)
    assert (outside(stack, finished), state(stack, finished)) == (before, "disputed")
