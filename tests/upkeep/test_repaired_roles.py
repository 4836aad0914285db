"""Reconcile ends what a suspension that died has left in a tenant's roles."""

import pytest

from local.stack import Stack
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant.gate import Gate
from stages.access import restore_access, suspend_access
from stages.services import resume_services
from tests.stages.conftest import environment, tenant
from tests.stages.jobs import Died, dying, look_again
from tests.stages.suspending import CATALOGS, Tenant, catalog, opened, roll_back

__all__ = ["environment", "tenant"]


def test_a_membership_that_a_suspension_left_when_it_died_is_ended_and_reported(stack: Stack, tenant: Tenant) -> None:
    job, before = opened(tenant, tenant.job(SUSPEND_PROJECT)), memberships(tenant)
    with dying(Gate, "close_logins", after=False), pytest.raises(Died):
        job.run(suspend_access)
    assert memberships(tenant) != before
    assert len(repaired(stack, tenant)) == 2
    assert memberships(tenant) == before
    job.run(suspend_access)
    assert roll_back(job, resume_services, restore_access) == "rolled_back"
    assert repaired(stack, tenant) == []


def repaired(stack: Stack, tenant: Tenant) -> list[str]:
    """Which of the tenant's memberships reconcile ends: other tests leave something of others' in this server."""
    ended = look_again(stack)["repaired"]
    return [one for one in ended if one.startswith("membership of") and tenant.names.database in one]


def memberships(tenant: Tenant) -> list[tuple[object, ...]]:
    """Who is a member of the tenant's roles."""
    return catalog(tenant.stack, CATALOGS[2], tenant.names.tenant_id)
