"""Ask each service about the registrations that the control plane knows.

What a service has beyond them cannot be told: the contract of a service has no list of its tenants.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from cli.doctor_tenants import LIVE, Known
from cli.findings import Finding, unchecked
from provisioning.errors import ProvisioningError
from provisioning.services import adapter_for
from provisioning.stage import Service

REMEDY = "see A lost registration in docs/operations.md"
AT_ONCE = 8
SECONDS = 15.0
"""How long a service is asked about its tenants."""


def examine_registrations(service: Service, known: Known) -> Iterator[Finding]:
    """Yield each live tenant that the service does not know, by one request per registration, several at once."""
    ends_at = time.monotonic() + SECONDS
    asked = _registered(service, known)

    def knows(tenant_id: str) -> bool | None:
        try:
            return adapter_for(service, ends_at).exists(tenant_id) if time.monotonic() < ends_at else None
        except ProvisioningError:
            return None

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = dict(zip(asked, threads.map(knows, asked), strict=True))
    subject, still = f"service {service}", set(_registered(service, known))
    for tenant_id, answer in answers.items():
        if answer is False and tenant_id in still:
            yield Finding(subject, f"tenant {tenant_id} is not registered there", REMEDY)
    if unanswered := sum(answer is None for answer in answers.values()):
        yield unchecked(subject, f"did not answer about {unanswered} of {len(asked)} tenants")


def _registered(service: Service, known: Known) -> list[str]:
    tenants = known.find_tenants()
    return [one.tenant_id for one in tenants if one.state in LIVE and service in one.services and not one.is_busy]
