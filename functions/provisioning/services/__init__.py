"""The services that a project is registered with. A new kind of service is one file here and one line in ADAPTERS."""

import math

from provisioning import configuration
from provisioning.errors import Misconfigured
from provisioning.service_client import ServiceClient
from provisioning.services.adapter import Adapter
from provisioning.services.generic import Generic
from provisioning.services.supabase_realtime import SupabaseRealtime
from provisioning.services.supabase_storage import SupabaseStorage
from provisioning.services.supavisor import Supavisor
from provisioning.stage import Service

ADAPTERS: dict[str, type[Adapter]] = {
    "generic": Generic,
    "supabase-realtime": SupabaseRealtime,
    "supabase-storage": SupabaseStorage,
    "supavisor": Supavisor,
}


def adapter_for(service: Service, ends_at: float = math.inf) -> Adapter:
    """Returns the adapter that the settings name for a service, whose requests end by that monotonic time.

    Raises Misconfigured for an adapter that does not exist.
    """
    name = configuration.optional(f"{service.upper()}_SERVICE_ADAPTER", "generic")
    adapter = ADAPTERS.get(name)
    if adapter is None:
        raise Misconfigured(f"{service.upper()}_SERVICE_ADAPTER must be one of {', '.join(ADAPTERS)}")
    return adapter(ServiceClient(service, ends_at))
