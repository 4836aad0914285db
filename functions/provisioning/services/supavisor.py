"""The `supavisor` adapter: the tenant API of supabase/supavisor, the connection pooler.

Read in lib/supavisor_web/controllers/tenant_controller.ex at 05745167181b9e246b787758588ba52e7fc9fd30.

    PUT    {base}/api/tenants/{external_id}   201 new, 200 changed, 400 when it could not sign in to the database
    GET    {base}/api/tenants/{external_id}   200, or 404
    DELETE {base}/api/tenants/{external_id}   204, or 404 when absent

A wrong token is answered 403. It signs in to the database before it keeps anything, so a tenant that it keeps is ready.
It answers the same 400 to a wrong password and to a database that does not answer: that is tried again.
"""

from typing_extensions import override

from provisioning import json_web_token
from provisioning.errors import ServiceRegistrationFailed
from provisioning.services.adapter import Adapter, Registration, Tenant, tls_enforced

POOL_SIZE = 20
"""Of the tenant's limit of 60 connections, so that direct ones and other services find room."""

UNAUTHORIZED = 403


class Supavisor(Adapter):
    """Registers tenants with Supavisor. The service's token is its API_JWT_SECRET."""

    @override
    def register(self, tenant: Tenant) -> Registration:
        status, _ = self._request("PUT", tenant, {"tenant": _description(tenant)})
        if status == 400:
            raise ServiceRegistrationFailed(f"{self.service} could not sign in to the tenant database")
        if status not in (200, 201):
            raise self.client.refusal(status)
        return self._registered(tenant, _path(tenant))

    @override
    def deregister(self, tenant: Tenant) -> bool:
        status, _ = self._request("DELETE", tenant)
        if status not in (204, 404):
            raise self.client.refusal(status)
        return status == 204

    @override
    def exists(self, tenant: Tenant) -> bool:
        status, _ = self._request("GET", tenant)
        if status not in (200, 404):
            raise self.client.refusal(status)
        return status == 200

    @override
    def ready(self, tenant: Tenant) -> bool:
        return self.exists(tenant)

    def _request(self, method: str, tenant: Tenant, body: object = None) -> tuple[int, bytes]:
        return self.client.request(method, _path(tenant), json_web_token.bearer, body=body, unauthorized=UNAUTHORIZED)


def _path(tenant: Tenant) -> str:
    return f"/api/tenants/{tenant.external_id}"


def _description(tenant: Tenant) -> dict[str, object]:
    description: dict[str, object] = {
        "db_host": tenant.job.cluster.host,
        "db_port": tenant.job.cluster.port,
        "db_database": tenant.job.names.database,
        "require_user": True,
        "users": [
            {
                "db_user": tenant.username,
                "db_password": tenant.password,
                "pool_size": POOL_SIZE,
                "mode_type": "transaction",
                "is_manager": True,
            }
        ],
    }
    if tls_enforced():
        # It checks the server against its own GLOBAL_UPSTREAM_CA_PATH, and answers 400 without one.
        description |= {"upstream_ssl": True, "upstream_verify": "peer"}
    return description
