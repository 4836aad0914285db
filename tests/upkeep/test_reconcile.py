"""Reconcile removes what a rollback could not, and takes a last look at what it did. Then a tenant is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import sql

import upkeep.reconcile
from local.stack import Stack
from provisioning.errors import (
    RollbackFailed,
    ServiceRegistrationFailed,
    ServiceRejectedRegistration,
    UnexpectedFailure,
)
from provisioning.services.generic import Generic
from provisioning.tenant import removing
from stages.api_keys import generate_api_keys
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.looking import Row, look
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.jobs import Died, StagedJob, at_once, execute, look_again, open_job, outdate_pool, refill
from tests.upkeep.conftest import tenant_of
from upkeep.reconcile import reconcile

MOMENT = "SELECT now()"


class NoTimeLeft:
    """An invocation that is about to end."""

    def get_remaining_time_in_millis(self) -> int:
        return 0


def job_row(stack: Stack, job: StagedJob) -> Row:
    (row,) = [row for row in look(stack, job.project_id).jobs if row["job_id"] == job.job_id]
    return row


def test_a_last_look_that_finds_nothing_lets_the_tenant_be_gone(stack: Stack, removed: StagedJob) -> None:
    assert removed.tenant_id in look_again(stack, removed.tenant_id)["finished"]
    world = look(stack, removed.project_id)
    assert tenant_of(stack, removed)["state"] == "gone"
    assert tenant_of(stack, removed)["gone_at"] is not None
    assert (world.registered, world.service_registrations, world.api_key_secrets) == ([], [], [])
    assert [row["tenant_id"] for row in world.audited("tenant gone", removed.job_id)] == [removed.tenant_id]


def test_a_last_look_believes_no_404_of_another_server(
    stack: Stack, removed: StagedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ProgrammableService() as other, monkeypatch.context() as patched:
        other.will(answer(404, b"<html>nothing here</html>"))
        patched.setenv("AUTH_SERVICE_URL", other.url)
        with pytest.raises(ServiceRejectedRegistration, match="auth answered 404, but not as this service does"):
            look_again(stack, removed.tenant_id)
    assert tenant_of(stack, removed)["state"] == "removing"
    assert removed.tenant_id in look_again(stack, removed.tenant_id)["finished"]


def test_two_reconciles_at_once_leave_nothing_that_the_next_does_not_finish(stack: Stack, job: StagedJob) -> None:
    """Without reserved concurrency (MaximumParallelJobs=0) a long one meets the next, and may end its sessions."""
    job.run_until(generate_api_keys)
    with unreachable_cluster(), pytest.raises(RollbackFailed):
        job.compensate()
    job.record_failure({})
    outcomes = at_once(*[lambda: look_again(stack, job.tenant_id)] * 2)
    assert [one for one in outcomes if not isinstance(one, dict | RollbackFailed)] == []
    for _ in range(2):
        look_again(stack, job.tenant_id)
    world = look(stack, job.project_id)
    assert (world.databases, world.roles, world.secrets, world.registrations) == ([], [], [], {})
    assert (job_row(stack, job)["status"], tenant_of(stack, job)["state"]) == ("rolled_back", "gone")


def test_before_its_last_look_is_due_nobody_looks(stack: Stack, removed: StagedJob) -> None:
    assert removed.tenant_id not in look_again(stack)["finished"]
    assert tenant_of(stack, removed)["state"] == "removing"


def test_without_time_left_nothing_is_begun(stack: Stack, removed: StagedJob) -> None:
    execute(
        stack,
        "control_plane",
        "UPDATE control_plane.tenants SET look_again_at = now() WHERE tenant_id = %s",
        removed.tenant_id,
    )
    assert reconcile({}, NoTimeLeft())["finished"] == []
    assert tenant_of(stack, removed)["state"] == "removing"


def test_a_run_that_ends_at_a_tenant_has_reset_the_shared_roles(stack: Stack, removed: StagedJob) -> None:
    execute(stack, "postgres", "ALTER ROLE anon SET work_mem = '1MB'")
    with patch.object(upkeep.reconcile, "finish", side_effect=Died), pytest.raises(Died):
        look_again(stack, removed.tenant_id)
    settings = execute(stack, "postgres", "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'anon'::regrole")
    execute(stack, "postgres", "ALTER ROLE anon RESET ALL")
    assert settings == []


@contextmanager
def unreachable_cluster() -> Iterator[None]:
    lost = psycopg2.OperationalError("the cluster does not answer")
    with patch.object(removing, "_drop", side_effect=lost):
        yield


def test_a_rollback_that_could_not_drop_the_database_is_finished(stack: Stack, job: StagedJob) -> None:
    job.run_until(generate_api_keys)
    with unreachable_cluster(), pytest.raises(RollbackFailed):
        job.compensate()
    assert job.record_failure({})["outcome"] == "rollback_incomplete"
    look_again(stack, job.tenant_id)
    world = look(stack, job.project_id)
    assert (world.databases, world.roles, world.secrets, world.registrations) == ([], [], [], {})
    look_again(stack, job.tenant_id)
    assert (job_row(stack, job)["status"], job_row(stack, job)["leftovers"]) == ("rolled_back", [])


def test_a_rollback_that_could_not_deregister_is_finished(stack: Stack, job: StagedJob) -> None:
    job.run_until(generate_api_keys)
    with patch.object(Generic, "deregister", side_effect=ServiceRegistrationFailed("auth answered 500")):
        with pytest.raises(ServiceRegistrationFailed):
            job.compensate()
        job.run(drop_database)
        assert job.record_failure({})["outcome"] == "rollback_incomplete"
    look_again(stack, job.tenant_id)
    assert look(stack, job.project_id).registrations == {}
    assert job_row(stack, job)["status"] == "rollback_incomplete", "not before the last look"
    look_again(stack, job.tenant_id)
    assert (job_row(stack, job)["status"], job_row(stack, job)["leftovers"]) == ("rolled_back", [])


def test_the_tenant_that_a_retry_superseded_is_removed(stack: Stack, job: StagedJob) -> None:
    job.run_until(generate_api_keys)
    job.record_failure({})
    later = open_job(job.project_id, retries=job.job_id)
    later.run(create_database)
    for _ in range(2):
        look_again(stack, job.tenant_id)
    assert (tenant_of(stack, job)["state"], job_row(stack, job)["status"]) == ("gone", "rolled_back")
    world = look(stack, job.project_id)
    assert [database["name"] for database in world.databases] == [later.names.database]
    assert world.registrations == {}


def test_a_tenant_that_a_refill_removed_is_gone_after_its_last_look(stack: Stack) -> None:
    refill(1)
    ((tenant_id,),) = execute(
        stack, "control_plane", "SELECT tenant_id FROM control_plane.tenants WHERE state = 'ready'"
    )
    outdate_pool(stack)
    refill(0)
    assert tenant_id in look_again(stack, tenant_id)["finished"]


def test_the_tenants_of_a_job_that_runs_are_left_to_it(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.run(drop_database)
    before = tenant_of(stack, job)
    answer = look_again(stack, job.tenant_id)
    assert job.tenant_id not in [*answer["finished"], *answer["failed"]]
    assert tenant_of(stack, job) == {**before, "look_again_at": tenant_of(stack, job)["look_again_at"]}


def test_a_tenant_that_cannot_be_removed_keeps_no_other_from_its_turn(
    stack: Stack, new_project: NewProject, removed: StagedJob
) -> None:
    stuck = open_job(new_project())
    stuck.run(create_database)
    names = [sql.Identifier(f"stuck_{stuck.tenant_id}"), sql.Identifier(stuck.names.login_role)]
    execute(stack, "postgres", sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(*names))
    with pytest.raises(RollbackFailed):
        stuck.compensate()
    stuck.record_failure({})
    with pytest.raises(RollbackFailed, match="are held up by postgres"):
        look_again(stack, stuck.tenant_id, removed.tenant_id)
    assert tenant_of(stack, removed)["state"] == "gone"
    (told,) = look(stack, stuck.project_id).audited("tenant looked at again", stuck.job_id)
    assert "are held up by postgres" in told["details"]["error_message"]
    execute(stack, "postgres", sql.SQL("DROP SCHEMA {}").format(names[0]))
    ((now,),) = execute(stack, "postgres", MOMENT)
    assert tenant_of(stack, stuck)["look_again_at"] > now, "it is looked at again later"
    for _ in range(2):
        look_again(stack, stuck.tenant_id)
    assert job_row(stack, stuck)["status"] == "rolled_back"


def test_a_registration_of_a_service_that_is_no_more_keeps_no_other_from_its_turn(
    stack: Stack, new_project: NewProject, removed: StagedJob
) -> None:
    odd = open_job(new_project())
    odd.run(create_database)
    odd.compensate()
    odd.record_failure({})
    added = "INSERT INTO control_plane.service_registrations (tenant_id, service, job_id) VALUES (%s, 'fax', %s)"
    execute(stack, "control_plane", added, odd.tenant_id, odd.job_id)
    with pytest.raises(UnexpectedFailure):
        look_again(stack, odd.tenant_id, removed.tenant_id)
    assert tenant_of(stack, removed)["state"] == "gone"
    (told,) = look(stack, odd.project_id).audited("tenant looked at again", odd.job_id)
    assert "ValueError" in told["details"]["error_message"]
    execute(stack, "control_plane", "DELETE FROM control_plane.service_registrations WHERE service = 'fax'")
    assert odd.tenant_id in look_again(stack, odd.tenant_id)["finished"]
