"""The recorded registrations of a tenant: their suspension, resumption and removal."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from provisioning import configuration, queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import Misconfigured, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import adapter_for
from provisioning.services.adapter import Adapter
from provisioning.stage import Service

QUERIES = queries.load(__file__)
KEPT = "kept"
"""The outcome of a service that a suspension or resumption leaves as it was."""


class Registered(NamedTuple):
    """A registration that was intended, and perhaps made."""

    tenant_id: str
    service: str


def of_job(control: ControlPlane, job_id: str) -> list[Registered]:
    """Return the registrations that a job has declared, removed or not: a superseded attempt may have repeated one."""
    return control.fetch_all(Registered, QUERIES["find_registrations_of_job"], job_id=job_id)


def of_tenant(control: ControlPlane, tenant_id: str) -> list[Registered]:
    """Return the registrations that were declared for a tenant, removed or not."""
    return control.fetch_all(Registered, QUERIES["find_registrations_of_tenant"], tenant_id=tenant_id)


def record_possible(control: ControlPlane, tenant_id: str, job_id: str) -> None:
    """Record that the tenant may be registered with every service that the settings name."""
    for service in Service:
        if configuration.optional(f"{service.upper()}_SERVICE_URL"):
            facts = {"tenant_id": tenant_id, "service": str(service), "job_id": job_id}
            control.execute(QUERIES["record_possible_registration"], **facts)


def record_wanted(control: ControlPlane, job_id: str, find_named: Callable[[], list[str]]) -> None:
    """Record that the job's unfinished tenants may be registered with every service that the job wants.

    If anything of that is not recorded yet, only for the tenants that `find_named` returns.
    """
    names = {"services": [str(one) for one in Service], "stages": [str(one.stage) for one in Service]}
    undeclared = control.fetch_all(Registered, QUERIES["find_undeclared_registrations"], job_id=job_id, **names)
    named = find_named() if undeclared else []
    for one in (one for one in undeclared if one.tenant_id in named):
        control.execute(QUERIES["record_possible_registration"], job_id=job_id, **one._asdict())


def remove(control: ControlPlane, declared: Sequence[Registered], ends_at: float) -> list[str]:
    """Remove registrations by that monotonic time, record it, and return what was removed.

    A service that does not answer does not keep the others from being asked; its error is raised at the end.
    """
    removed: list[str] = []

    def deregister(one: Registered, adapter: Adapter) -> None:
        if adapter.deregister(one.tenant_id):
            removed.append(f"{one.service} registration")
        control.execute(QUERIES["record_removed_registration"], **one._asdict())

    _ask_each(declared, ends_at, deregister)
    return removed


def suspend(control: ControlPlane, tenant_id: str, ends_at: float) -> dict[str, str]:
    """Have every service that the tenant is registered with stop serving it, by that monotonic time.

    Return by service "suspended", or "kept" if the service stays as it was: its contract offers no way, or it does not
    know the tenant. Registrations stay, and nothing is written to the control plane. A service that does not answer
    does not keep the others from being asked; its error is raised at the end.
    """
    return _told(control, tenant_id, ends_at, lambda adapter: adapter.suspend(tenant_id), "suspended")


def resume(control: ControlPlane, tenant_id: str, ends_at: float) -> dict[str, str]:
    """Have every service that the tenant is registered with serve it again, by that monotonic time.

    Return by service "resumed", or "kept", under the same conditions as suspend, and raise as it does.
    """
    return _told(control, tenant_id, ends_at, lambda adapter: adapter.resume(tenant_id), "resumed")


def _told(
    control: ControlPlane, tenant_id: str, ends_at: float, tell: Callable[[Adapter], bool], done: str
) -> dict[str, str]:
    outcome: dict[str, str] = {}

    def tell_and_note(one: Registered, adapter: Adapter) -> None:
        outcome[one.service] = done if tell(adapter) else KEPT

    registered = control.fetch_all(Registered, QUERIES["find_standing_registrations"], tenant_id=tenant_id)
    _ask_each(registered, ends_at, tell_and_note)
    return outcome


def _ask_each(declared: Sequence[Registered], ends_at: float, ask: Callable[[Registered, Adapter], None]) -> None:
    refused: list[Exception] = []
    for asked, one in enumerate(declared):
        now = time.monotonic()
        # An equal share of the time left, so that a service that hangs does not use up another's.
        share = (ends_at - now) / (len(declared) - asked)
        try:
            ask(one, adapter_for(Service(one.service), now + share))
        except (ServiceRegistrationFailed, ServiceRejectedRegistration, Misconfigured) as error:
            refused.append(error)
    if refused:
        raise refused[0]
