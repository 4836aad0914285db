"""Ask a service about a tenant that does not exist, and say what its answer means.

Another server may answer too, for example at the wrong port: a 404 counts only with the body that the service has for
an unknown tenant.
"""

import math
import time
from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from cli.doctor_registrations import examine_listed, examine_registrations
from cli.findings import Finding
from provisioning.errors import ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.examination.known import Known
from provisioning.identity import new_tenant_id
from provisioning.services import adapter_class, adapter_name, public_url
from provisioning.services.adapter import NOT_ITS_OWN, Adapter
from provisioning.services.addresses import Address
from provisioning.services.client import ServiceClient
from provisioning.stage import Service

SECONDS = 20.0
"""How long a service has to answer."""

REFUSED = (
    "put the service's current token into the secret of the service tokens; on a laptop stack"
    " run provision service set {service} --token-file FILE"
)
OTHER_ADDRESS = "check the service's address, the one of its tenant API, and its adapter"
OWN_LOG = "look at the service's own log"


class _Listening(ServiceClient):
    """A client that remembers the last answer."""

    status = 0
    body = b""

    @override
    def request(self, *arguments: Any, **named: Any) -> tuple[int, bytes]:
        self.status, self.body = super().request(*arguments, **named)
        return self.status, self.body


def examine_service(service: Service, known: Known | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a service, and which tenants only it or only the control plane knows."""
    public_url(service, new_tenant_id())
    if (wrong := what_is_wrong(service, adapter_name(service))) is not None:
        yield wrong
        return
    if known is not None:
        yield from examine_registrations(service, known)
        yield from examine_listed(service, known)
    yield Finding(f"service {service}", "answers, and accepts its token")


def what_is_wrong(service: Service, name: str, at: Address | None = None) -> Finding | None:
    """Return what the answer of a service shows to be wrong, or None. Without an answer, raise as Adapter.exists."""
    client = _Listening(service, time.monotonic() + SECONDS if at is not None else math.inf, at)
    adapter = adapter_class(name)(client)
    try:
        exists = adapter.exists(new_tenant_id())
    except (ServiceRegistrationFailed, ServiceRejectedRegistration):
        if client.status == 0:
            raise
        exists = False
    fact, remedy = _meaning(client.status, adapter, client.body, exists=exists)
    return Finding(f"service {service}", fact, remedy.format(service=service)) if remedy else None


def _meaning(status: int, adapter: Adapter, body: bytes, *, exists: bool) -> tuple[str, str]:
    """Return what an answer says, and the remedy; no remedy if all is well."""
    if exists:
        return "says that it has a tenant that does not exist", OTHER_ADDRESS
    if status in {adapter.unauthorized, 401, 403}:
        return f"answers {status}: it refuses the token", REFUSED
    if 300 <= status < 400:
        return f"answers {status}, a redirect, which is not followed", OTHER_ADDRESS
    if status == 404:
        return ("", "") if adapter.is_absence(body) else (NOT_ITS_OWN.replace("answered", "answers"), OTHER_ADDRESS)
    if status in {408, 425, 429} or status >= 500:
        return f"answers {status}", OWN_LOG
    return f"answers {status} to a question about a tenant", OTHER_ADDRESS
