"""An export that is killed at any step leaves no object, no upload, no login and no secret."""

from typing import Any

import psycopg2
import pytest

from local.stack import Stack
from provisioning.aws import objects, secrets
from provisioning.cluster import acting
from provisioning.exports import contents, dump, exporting, login
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.ledger.attempt import Attempt
from stages.access import suspend_access
from stages.activation import finalize
from stages.export import export_database, remove_export
from tests.stages.exporting import NOTHING, begun, exported, kept_of, killed, left, names_of, undone
from tests.stages.jobs import Context, Died, dying, execute, lambda_environment
from tests.stages.suspending import Tenant
from upkeep.reconcile import reconcile

pytestmark = pytest.mark.slow

POINTS: list[tuple[Any, str]] = [
    (secrets, "create"),
    (login, "make"),
    (contents, "look"),
    (exporting, "Upload"),
    (dump.Dump, "wait_for_first"),
    (contents.Contents, "lock"),
    (objects.Upload, "add"),
    (contents.Contents, "named"),
    (login, "remove"),
    (login, "remove_secret"),
    (objects, "put"),
    (objects.Upload, "complete"),
    (Attempt, "succeed"),
]
"""Every step of an export, in order: the process dies before it, or after it."""

every_point = pytest.mark.parametrize(
    ("owner", "attribute", "after"),
    [(*point, after) for point in POINTS for after in (False, True)],
    ids=lambda one: one if isinstance(one, str) else str(one) if isinstance(one, bool) else one.__name__,
)
DUE = "UPDATE control_plane.exports SET look_again_at = now() WHERE job_id = %s"
STOPPED = "UPDATE control_plane.jobs SET status = 'stopped', completed_at = now() WHERE job_id = %s"


@every_point
def test_a_killed_attempt_leaves_nothing_after_the_compensation(
    tenant: Tenant, owner: Any, attribute: str, *, after: bool
) -> None:
    before, job = tenant.catalogs(), begun(tenant)
    killed(job, owner, attribute, after=after)
    assert undone(job) == "rolled_back"
    assert left(tenant) == NOTHING
    assert tenant.catalogs() == before


@every_point
def test_the_attempt_after_a_killed_one_leaves_its_own_dump_only(
    tenant: Tenant, owner: Any, attribute: str, *, after: bool
) -> None:
    before, job = tenant.catalogs(), begun(tenant)
    killed(job, owner, attribute, after=after)
    job.run(export_database)
    made = job.run(finalize)
    assert left(tenant) == kept_of(made)
    assert tenant.catalogs() == before


def test_a_compensation_ends_the_membership_that_a_killed_one_has_left(tenant: Tenant) -> None:
    """The login is gone by then, so nothing else would lead there."""
    before, job = tenant.catalogs(), begun(tenant)
    killed(job, login, "remove", after=False)
    with lambda_environment(), dying(acting, "leaving", after=False), pytest.raises(Died):
        job.run(remove_export)
    assert left(tenant).logins == []
    assert tenant.catalogs() != before
    assert undone(job) == "rolled_back"
    assert left(tenant) == NOTHING
    assert tenant.catalogs() == before


@pytest.mark.parametrize(("owner", "attribute"), [POINTS[1], POINTS[6], POINTS[11]], ids=["login", "part", "object"])
def test_reconcile_removes_what_a_stopped_job_has_left(
    stack: Stack, tenant: Tenant, owner: Any, attribute: str
) -> None:
    job = begun(tenant)
    killed(job, owner, attribute, after=True)
    execute(stack, "control_plane", STOPPED, job.job_id)
    execute(stack, "control_plane", DUE, job.job_id)
    assert reconcile({}, Context())["found"]
    assert left(tenant) == NOTHING


def test_reconcile_leaves_the_objects_of_an_export_that_succeeded(stack: Stack, tenant: Tenant) -> None:
    made = exported(tenant)
    execute(stack, "control_plane", DUE, made["metadata"]["job_id"])
    assert reconcile({}, Context())["found"] == []
    assert left(tenant) == kept_of(made)


def test_a_suspension_ends_what_a_stopped_export_has_left_in_the_tenant(stack: Stack, tenant: Tenant) -> None:
    job = begun(tenant)
    killed(job, objects.Upload, "add", after=True)
    execute(stack, "control_plane", STOPPED, job.job_id)
    suspension = tenant.job(SUSPEND_PROJECT)
    suspension.verify()
    suspension.run(suspend_access)
    assert left(tenant).logins == [names_of(job).login_role], "only the job that made it removes it"
    asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    assert execute(stack, "postgres", asked, names_of(job).login_role) == [(0,)]
    document = secrets.read(names_of(job).secret)
    with pytest.raises(psycopg2.OperationalError):
        contents.connect(document, 10)
