"""An attempt that resumes after its job was rolled back leaves nothing, and after its success changes nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.cluster import creators, register
from provisioning.control_plane import connection
from provisioning.errors import JobClosed, ProvisioningError
from provisioning.identity import Tenant
from provisioning.tenant import holding, making, secret
from stages.activation import finalize
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.backups import outside, registered_state, state
from tests.stages.jobs import StagedJob, at_once, open_job, refilled
from tests.stages.test_create_database import NOTHING, resources


@contextmanager
def overtaken(owner: Any, attribute: str, by: Callable[[], object]) -> Iterator[None]:
    """Let the attempt sleep before a call, with its session on the control plane lost, while others act."""
    real = getattr(owner, attribute)

    def asleep(*arguments: Any, **named: Any) -> Any:
        connection._environment.connection.close()
        with patch.object(owner, attribute, real):
            (done,) = at_once(by)
        assert not isinstance(done, Exception), done
        return real(*arguments, **named)

    with patch.object(owner, attribute, asleep):
        yield


ASLEEP: dict[str, tuple[Any, str]] = {
    "before the tenant's lock": (register, "lock"),
    "before the register": (register, "claim"),
    "before the secret": (secret, "ensure_credentials"),
    "before the roles": (creators, "for_new_tenant"),
    "before the database": (making, "_creation"),
}


asleep = pytest.mark.parametrize(("owner", "attribute"), ASLEEP.values(), ids=ASLEEP)


@asleep
def test_an_attempt_that_resumes_after_the_success_changes_nothing(
    stack: Stack, project_id: str, owner: Any, attribute: str
) -> None:
    job, live = open_job(project_id, "auth"), []

    def succeed() -> None:
        job.run_until(finalize)
        live.append(outside(stack, job))

    with overtaken(owner, attribute, by=succeed), pytest.raises(ProvisioningError):
        job.run(create_database)
    assert [outside(stack, job)] == live
    assert registered_state(stack, job) == state(stack, job) == "active"


@asleep
def test_an_attempt_that_resumes_after_the_rollback_leaves_nothing(
    stack: Stack, job: StagedJob, owner: Any, attribute: str
) -> None:
    with overtaken(owner, attribute, by=lambda: job.run(drop_database)), pytest.raises(ProvisioningError):
        job.run(create_database)
    assert resources(stack, job) == NOTHING
    assert [row["state"] for row in look(stack, job.project_id).registered] == ["removing"]


def test_an_attempt_that_resumes_after_the_rollback_takes_no_tenant_of_the_pool(
    stack: Stack, new_project: NewProject
) -> None:
    with refilled(stack):
        job = open_job(new_project())
        with overtaken(register, "claim", by=lambda: job.run(drop_database)), pytest.raises(ProvisioningError):
            job.run(create_database)
    assert resources(stack, job) == NOTHING


def test_a_job_that_is_being_rolled_back_makes_nothing_any_more(stack: Stack, job: StagedJob) -> None:
    job.compensate()
    with pytest.raises(JobClosed):
        job.run(create_database)
    assert resources(stack, job) == NOTHING


LATE: dict[str, Callable[[Tenant, register.Holder], object]] = {
    "claims": making.claim,
    "makes": lambda tenant, holder: making.make_database(tenant, holder, lambda: None),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_a_late_maker_meets_the_removal_in_the_register_and_stops(
    stack: Stack, job: StagedJob, late: Callable[[Tenant, register.Holder], object]
) -> None:
    job.run(create_database)
    tenant, holder = known(job)
    job.roll_back()
    with pytest.raises(JobClosed, match="is being removed"):
        late(tenant, holder)
    assert resources(stack, job) == NOTHING


def test_who_takes_the_tenants_lock_ends_the_session_of_who_held_it(stack: Stack, job: StagedJob) -> None:
    tenant, holder = known(job)
    made = []

    def second() -> None:
        made.extend(at_once(lambda: making.make_database(tenant, holder, lambda: None).arn))

    with pytest.raises(psycopg2.OperationalError):
        making.make_database(tenant, holder, second)
    world = look(stack, job.project_id)
    assert ([one["arn"] for one in world.secrets], len(world.databases)) == (made, 1)


def known(job: StagedJob) -> tuple[Tenant, register.Holder]:
    """The job's tenant and holder, as known to an attempt that has begun."""
    control = control_plane.connect()
    tenant = holding.find(control, str(job.tenant_id))
    assert tenant is not None
    return tenant, register.holder_of(control, job.job_id, job.project_id)
