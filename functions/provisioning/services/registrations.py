"""The registrations of a tenant that are written down, and their removal."""

from collections.abc import Sequence
from typing import NamedTuple

from provisioning import configuration, queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import Misconfigured, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import adapter_for
from provisioning.stage import Service

QUERIES = queries.load(__file__)


class Registered(NamedTuple):
    """A registration that was intended, and perhaps made."""

    tenant_id: str
    service: str


def of_job(control: ControlPlane, job_id: str) -> list[Registered]:
    """Return the registrations that a job has declared: a superseded attempt may have made again what was removed."""
    return control.fetch_all(Registered, QUERIES["find_registrations_of_job"], job_id=job_id)


def of_tenant(control: ControlPlane, tenant_id: str) -> list[Registered]:
    """Return the registrations that were declared for a tenant, removed or not."""
    return control.fetch_all(Registered, QUERIES["find_registrations_of_tenant"], tenant_id=tenant_id)


def record_possible(control: ControlPlane, tenant_id: str, job_id: str) -> None:
    """Write down that the tenant may be registered with every service that the settings name."""
    for service in Service:
        if configuration.optional(f"{service.upper()}_SERVICE_URL"):
            facts = {"tenant_id": tenant_id, "service": str(service), "job_id": job_id}
            control.execute(QUERIES["record_possible_registration"], **facts)


def remove(control: ControlPlane, declared: Sequence[Registered], ends_at: float) -> list[str]:
    """Remove registrations by that monotonic time, write that down, and name what there was.

    One service that does not answer keeps no other from being asked; its error is raised once all were.
    """
    removed: list[str] = []
    refused: list[Exception] = []
    for one in declared:
        try:
            if adapter_for(Service(one.service), ends_at).deregister(one.tenant_id):
                removed.append(f"{one.service} registration")
            control.execute(QUERIES["record_removed_registration"], **one._asdict())
        except (ServiceRegistrationFailed, ServiceRejectedRegistration, Misconfigured) as error:
            refused.append(error)
    if refused:
        raise refused[0]
    return removed


def suspend(control: ControlPlane, tenant_id: str, ends_at: float) -> dict[str, str]:
    """TEMPORARY."""
    return {}


def resume(control: ControlPlane, tenant_id: str, ends_at: float) -> dict[str, str]:
    """TEMPORARY."""
    return {}
