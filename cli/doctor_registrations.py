"""Compare what each service has registered with what the control plane knows, in both directions.

A service is asked about each registration that the control plane knows. What it has beyond them is in its list of
tenants, if its contract has one.
"""

import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from cli.doctor_cluster import find_holders
from cli.findings import Finding, unchecked
from provisioning.errors import ProvisioningError
from provisioning.examination.known import Known, RegisteredTenant
from provisioning.examination.tenants import LIVE
from provisioning.services import adapter_for
from provisioning.stage import Service

REMEDY = "see A lost registration in docs/operations.md"
UNRECORDED = "see A registration that nobody knows in docs/operations.md"
AT_ONCE = 8
SECONDS = 15.0
"""How long a service is asked about its tenants."""
LISTING_SECONDS = 30.0
"""How long it may take to list them."""

Holders = dict[str, tuple[str, RegisteredTenant | None]]
"""By tenant_id, the cluster that has it, and what its register says."""


def examine_registrations(service: Service, known: Known) -> Iterator[Finding]:
    """Yield each live tenant that the service does not know, by one request per registration, several at once."""
    asked = _registered(service, known)
    answers = _ask(service, asked)
    subject, still = f"service {service}", set(_registered(service, known))
    for tenant_id, answer in answers.items():
        if answer is False and tenant_id in still:
            yield Finding(subject, f"tenant {tenant_id} is not registered there", REMEDY)
    yield from _unanswered(service, answers, "tenants")


def examine_listed(service: Service, known: Known) -> Iterator[Finding]:
    """Yield each registration that only the service knows.

    A tenant is made before it is registered, and removed after its registration. So first the service lists, then the
    control plane and the clusters' registers are read, which other control planes share, and then the service is asked
    again about what neither knows: what is made or removed in between is no finding. Raise psycopg2.Error if the
    control plane cannot be read.
    """
    subject = f"service {service}"
    try:
        listed = adapter_for(service, time.monotonic() + LISTING_SECONDS).tenant_ids()
    except ProvisioningError as error:
        yield unchecked(subject, f"registrations of unknown tenants are not looked for: {error}")
        return
    if listed is None:
        yield unchecked(subject, "cannot list its tenants, so a registration of an unknown tenant is not found")
        return
    after = {one.tenant_id: one for one in known.find_tenants()}
    unrecorded = {
        one.tenant_id
        for one in after.values()
        if one.tenant_id in listed and one.state in LIVE and not one.is_busy and service not in one.services
    }
    strangers = listed - set(after)
    holders, unread = _find_holders(known, strangers)
    ours = {one for one in strangers if not _is_foreign(one, holders, known)}
    if unread and (unjudged := ours - set(holders)):
        yield unchecked(subject, f"{len(unjudged)} unknown tenants are not judged: {', '.join(unread)} cannot be read")
        ours -= unjudged
    answers = _ask(service, sorted(unrecorded | ours))
    for tenant_id in (one for one, answer in answers.items() if answer):
        yield _only_there(service, tenant_id, holders, is_known=tenant_id in after)
    yield from _unanswered(service, answers, "unknown tenants")


def _only_there(service: Service, tenant_id: str, holders: Holders, *, is_known: bool) -> Finding:
    subject, fact = f"service {service}", f"tenant {tenant_id} is registered there"
    if is_known:
        return Finding(subject, f"{fact}, but the control plane does not know of it", UNRECORDED)
    if tenant_id in holders:
        where = f"cluster {holders[tenant_id][0]}"
        fact = f"{fact} and exists on {where}, but is unknown to the control plane"
        return Finding(subject, fact, f"first correct what is said about the tenant on {where}")
    remedy = f"unless a control plane with other clusters has it: provision deregister {service} {tenant_id}"
    return Finding(subject, f"{fact}, but neither the control plane nor a cluster knows it", remedy)


def _find_holders(known: Known, tenant_ids: Collection[str]) -> tuple[Holders, list[str]]:
    """Return which clusters have these tenants, and the clusters that cannot be read."""
    holders: Holders = {}
    unread: list[str] = []
    for cluster in known.clusters if tenant_ids else ():
        try:
            found = find_holders(cluster, tenant_ids)
        except (psycopg2.Error, ProvisioningError):
            unread.append(f"cluster {cluster.cluster_id}")
        else:
            holders |= {tenant_id: (cluster.cluster_id, one) for tenant_id, one in found.items()}
    return holders, unread


def _is_foreign(tenant_id: str, holders: Holders, known: Known) -> bool:
    """Return whether a register gives the tenant to another control plane, which judges its registrations."""
    _, registered = holders.get(tenant_id, ("", None))
    return registered is not None and registered.control_plane_id != known.control_plane_id


def _ask(service: Service, tenant_ids: list[str]) -> dict[str, bool | None]:
    """Return of each tenant whether the service has it, several at once; None if it does not answer in time."""
    ends_at = time.monotonic() + SECONDS

    def knows(tenant_id: str) -> bool | None:
        try:
            return adapter_for(service, ends_at).exists(tenant_id) if time.monotonic() < ends_at else None
        except ProvisioningError:
            return None

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(tenant_ids, threads.map(knows, tenant_ids), strict=True))


def _unanswered(service: Service, answers: dict[str, bool | None], which: str) -> Iterator[Finding]:
    if unanswered := sum(answer is None for answer in answers.values()):
        yield unchecked(f"service {service}", f"did not answer about {unanswered} of {len(answers)} {which}")


def _registered(service: Service, known: Known) -> list[str]:
    tenants = known.find_tenants()
    return [one.tenant_id for one in tenants if one.state in LIVE and service in one.services and not one.is_busy]
