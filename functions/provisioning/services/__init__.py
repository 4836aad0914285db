"""The services that a tenant is registered with, and the one list of adapters.

A new adapter is one file here, with its .sql if it sends any, and one line in ADAPTERS. Outside functions/ it needs its
name in the template's AllowedValues and in docs/operations.md, and a test double of its contract:
tests/test_service_names.py requires them.
"""

import functools
import importlib
import math
from typing import cast

from provisioning import configuration
from provisioning.errors import Misconfigured
from provisioning.services.adapter import Adapter
from provisioning.services.addresses import TENANT_ID, checked_public_url
from provisioning.services.client import ServiceClient
from provisioning.stage import Service

DEFAULT_ADAPTER = "generic"
ADAPTERS = {
    DEFAULT_ADAPTER: "generic.Generic",
    "supabase-realtime": "supabase_realtime.SupabaseRealtime",
    "supabase-storage": "supabase_storage.SupabaseStorage",
    "supavisor": "supavisor.Supavisor",
}
"""The file and the class of each; a file is imported only if the settings name its adapter."""


def adapters_of(service: Service) -> list[str]:
    """Return the names of the adapters that a service may have, the default first."""
    return [name for name in ADAPTERS if service in adapter_class(name).serves]


def adapter_for(service: Service, ends_at: float = math.inf) -> Adapter:
    """Return the adapter that the settings name for a service, whose requests end by that monotonic time.

    Raise Misconfigured for an adapter that does not exist.
    """
    return adapter_class(adapter_name(service))(ServiceClient(service, ends_at))


def adapter_name(service: Service) -> str:
    """Return the name of the adapter that the settings name for a service. Raise Misconfigured if there is none."""
    name = configuration.optional(f"{service.upper()}_SERVICE_ADAPTER", DEFAULT_ADAPTER)
    if name not in ADAPTERS:
        raise Misconfigured(f"{service.upper()}_SERVICE_ADAPTER must be one of {', '.join(ADAPTERS)}")
    return name


def public_url(service: Service, tenant_id: str) -> str | None:
    """Return where the tenant's clients reach a service, or None if the settings do not say. Raise Misconfigured."""
    pattern = configuration.optional(f"{service.upper()}_SERVICE_PUBLIC_URL")
    if not pattern:
        return None
    is_laptop = configuration.optional("ALLOW_PLAIN_HTTP") == "true"
    return checked_public_url(pattern, plain_http=is_laptop).replace(TENANT_ID, tenant_id)


@functools.cache
def adapter_class(name: str) -> type[Adapter]:
    """Return the class of the adapter of that name."""
    file, _, class_name = ADAPTERS[name].partition(".")
    return cast("type[Adapter]", getattr(importlib.import_module(f"{__name__}.{file}"), class_name))
