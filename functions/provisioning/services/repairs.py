"""Repair registered tenants after their service has migrated them to a later version, over each tenant's own login.

Each tenant has its turn, the one that was looked at longest ago first, so that any number of them comes round. A turn
is one request to the service, which says to what it has migrated the tenant. Only if that has changed since the last
repair are the tenant's secret read and its database entered. It counts as repaired once there was nothing to do.
"""

from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration, postgres, queries
from provisioning.cluster import session as sessions
from provisioning.control_plane import ControlPlane
from provisioning.identity import Tenant, tenant_from
from provisioning.services import adapter_for
from provisioning.services.tenant_database import TenantDatabase
from provisioning.stage import Service

QUERIES = queries.load(__file__)

LOOK_SECONDS = 30 * 60
"""How long after its turn a tenant has its next."""

AT_MOST = 150
"""Tenants that have their turn in one run of upkeep: 3,000 come round in twenty."""

SECONDS = 20.0
"""The time for them in one run, so that the next begins in time."""


class Due(NamedTuple):
    """A registration whose turn it is, and to what its tenant was migrated when it was last repaired."""

    service: str
    repaired_to: str | None
    tenant: dict[str, Any]


class Outcome(NamedTuple):
    """What was repaired, and what in the tenant's own database prevented it; both '' if there was nothing to do."""

    repaired: str = ""
    prevented: str = ""


class _Lock(NamedTuple):
    held: bool


class _Found(NamedTuple):
    is_active: bool


def find_due(control: ControlPlane) -> list[Due]:
    """Return the registrations of active tenants whose turn it is, with services whose adapter repairs any.

    Raise Misconfigured for an adapter that does not exist.
    """
    services = [str(one) for one in Service if configuration.optional(f"{one.upper()}_SERVICE_URL")]
    repairing = [one for one in services if adapter_for(Service(one)).repairs()]
    if not repairing:
        return []
    asked = {"services": repairing, "look_seconds": LOOK_SECONDS, "limit": AT_MOST}
    return control.fetch_all(Due, QUERIES["find_due_repairs"], **asked)


def repair(control: ControlPlane, due: Due, ends_at: float) -> Outcome:
    """Take a registration's turn; requests end by that monotonic time.

    A tenant that a job works on, or that is not active any more, is left alone. The job does not wait: it ends the
    session that holds the lock. What the tenant's own database answers is in the outcome, because its owner can cause
    it. Raise ProvisioningError, and psycopg2.Error of the cluster.
    """
    tenant, adapter = tenant_from(due.tenant), adapter_for(Service(due.service), ends_at)
    keys = {"tenant_id": tenant.tenant_id, "service": due.service}
    control.execute(QUERIES["record_turn"], **keys)
    version = adapter.migrated_to(tenant.tenant_id)
    if version in (None, due.repaired_to):
        return Outcome()
    session, (lock,) = sessions.on(
        tenant.cluster,
        lambda session: sessions.fetch(session, _Lock, sessions.QUERIES["lock_tenant"], tenant_id=tenant.tenant_id),
    )
    if not lock.held or not _is_active(control, tenant):
        sessions.release(session)
        return Outcome()
    try:
        repaired = adapter.repair(TenantDatabase(tenant))
    except psycopg2.Error as error:
        return Outcome(prevented=postgres.describe(error))
    finally:
        _release(session)
    if not repaired:
        control.execute(QUERIES["record_repaired"], version=version, **keys)
    return Outcome(repaired=repaired)


def _release(session: Connection) -> None:
    try:
        sessions.release(session)
    except psycopg2.Error:
        # A job has ended it, and with it the lock.
        session.close()


def _is_active(control: ControlPlane, tenant: Tenant) -> bool:
    found = control.fetch_one(_Found, QUERIES["find_idle"], tenant_id=tenant.tenant_id)
    return found is not None and found.is_active
