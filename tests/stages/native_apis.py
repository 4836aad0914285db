"""The test double for every adapter that uses a service's published API."""

from tests.stages.realtime_api import RealtimeApi
from tests.stages.supavisor_api import SupavisorApi
from tests.stages.tenant_apis import StorageApi, TenantApi

APIS: dict[str, type[TenantApi]] = {
    "supabase-realtime": RealtimeApi,
    "supabase-storage": StorageApi,
    "supavisor": SupavisorApi,
}
SERVES = {"realtime": "supabase-realtime", "storage": "supabase-storage", "pooler": "supavisor"}
"""The adapter of each service that has its own."""
