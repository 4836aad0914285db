"""A register that was restored from a backup, or is another control plane's: a tenant it does not know is not live."""

from collections.abc import Iterator

import pytest

from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.errors import FinalizationFailed
from stages.activation import finalize
from stages.api_keys import generate_api_keys
from stages.database import create_database, drop_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.backups import ELSEWHERE, compensated, make_known, outside, register_backup, registered_state, state
from tests.stages.jobs import STOPPED, StagedJob, execute, look_again, open_job, refilled

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_forgotten(stack: Stack) -> Iterator[None]:
    yield
    make_known(stack)


@pytest.fixture(params=["before the claim", "before the making"])
def claimed(stack: Stack, new_project: NewProject, request: pytest.FixtureRequest) -> Iterator[StagedJob]:
    """What the register has forgotten of the claim, or of the tenant itself."""
    before_making = register_backup(stack)
    with refilled(stack):
        before_claim = register_backup(stack)
        job = open_job(new_project())
        job.run(create_database)
        (before_claim if request.param == "before the claim" else before_making).restore()
        yield job


def test_the_job_that_holds_the_tenant_removes_it(stack: Stack, claimed: StagedJob) -> None:
    assert claimed.names.database in claimed.run(drop_database)["removed"]
    assert registered_state(stack, claimed) == "removing"
    world = look(stack, claimed.project_id)
    assert (world.databases, world.roles, world.secrets) == ([], [], [])


def test_the_tenant_does_not_become_active_without_its_witness(stack: Stack, claimed: StagedJob) -> None:
    with pytest.raises(FinalizationFailed, match="the register does not give the tenant to this job"):
        claimed.run_until(finalize)
    assert state(stack, claimed) == "claimed"


def test_a_forgotten_job_is_not_rolled_back(stack: Stack, claimed: StagedJob) -> None:
    before = outside(stack, claimed)
    refused = [answer["unknown"] for answer in compensated(claimed, forgotten=True)]
    assert refused == [[f"the register does not give tenant {claimed.tenant_id} to this job as unfinished"]] * 3
    assert (outside(stack, claimed), state(stack, claimed)) == (before, "claimed")


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_unfinished_job_that_both_name_is_rolled_back(stack: Stack, job: StagedJob, forgotten: bool) -> None:
    job.run_until(generate_api_keys)
    assert job.names.database in job.compensate(forgotten=forgotten)
    assert job.record_failure(STOPPED)["outcome"] == "rolled_back"
    world = look(stack, job.project_id)
    assert (world.databases, world.roles, world.secrets, world.registrations) == ([], [], [], {})


def test_a_tenant_in_another_control_planes_name_is_not_touched(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.run(create_schema)
    renamed = "UPDATE register.tenants SET control_plane_id = %s WHERE tenant_id = %s"
    execute(stack, REGISTER, renamed, ELSEWHERE, job.tenant_id)
    before = outside(stack, job)
    assert job.run(drop_database)["unknown"] == [f"the register gives tenant {job.tenant_id} to somebody else"]
    look_again(stack, job.tenant_id)
    assert (outside(stack, job), state(stack, job)) == (before, "disputed")
