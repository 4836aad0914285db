"""The recorded registrations of a tenant: their suspension, resumption and removal."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from provisioning import configuration, queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import PermanentError
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


def remove(control: ControlPlane, declared: Sequence[Registered], ends_at: float) -> Iterator[tuple[Registered, bool]]:
    """Remove registrations by that monotonic time, and yield each that is removed, with whether the service had it.

    Each is recorded before it is yielded. A service that does not answer does not keep the others from being asked: it
    has its share of the time, and its error is raised at the end.
    """
    for one, existed in _ask_each(declared, ends_at, lambda adapter, tenant_id: adapter.deregister(tenant_id)):
        control.execute(QUERIES["record_removed_registration"], **one._asdict())
        yield one, existed


def suspend(control: ControlPlane, tenant_id: str, ends_at: float) -> Iterator[tuple[str, str]]:
    """Have every service that the tenant is registered with stop serving it, by that monotonic time.

    Yield each service with "suspended", or with "kept" if it stays as it was: its contract offers no way, or it does
    not know the tenant. Registrations stay, and nothing is written to the control plane. A service that does not answer
    does not keep the others from being asked; its error is raised at the end.
    """
    for one, done in _standing(control, tenant_id, ends_at, lambda adapter, tenant_id: adapter.suspend(tenant_id)):
        yield one.service, "suspended" if done else KEPT


def resume(control: ControlPlane, tenant_id: str, ends_at: float) -> Iterator[tuple[str, str]]:
    """Have every service that the tenant is registered with serve it again, by that monotonic time.

    Yield each service with "resumed", or with "kept", under the same conditions as suspend, and raise as it does.
    """
    for one, done in _standing(control, tenant_id, ends_at, lambda adapter, tenant_id: adapter.resume(tenant_id)):
        yield one.service, "resumed" if done else KEPT


def _standing(
    control: ControlPlane, tenant_id: str, ends_at: float, ask: Callable[[Adapter, str], bool]
) -> Iterator[tuple[Registered, bool]]:
    registered = control.fetch_all(Registered, QUERIES["find_standing_registrations"], tenant_id=tenant_id)
    return _ask_each(registered, ends_at, ask)


def _ask_each(
    declared: Sequence[Registered], ends_at: float, ask: Callable[[Adapter, str], bool]
) -> Iterator[tuple[Registered, bool]]:
    """Ask the service of each, and yield its answer; at the end raise the error of one that failed, if any.

    A permanent error is raised only if no other is transient: the retry that it would prevent may help the others.
    """
    failed: list[Exception] = []
    for asked, one in enumerate(declared):
        now = time.monotonic()
        # An equal share of the time left, so that a service that hangs does not use up another's.
        share = (ends_at - now) / (len(declared) - asked)
        try:
            answer = ask(adapter_for(Service(one.service), now + share), one.tenant_id)
        except Exception as error:  # noqa: BLE001 (whatever a service causes, the others are asked)
            failed.append(error)
        else:
            yield one, answer
    if failed:
        raise min(failed, key=lambda error: isinstance(error, PermanentError))
