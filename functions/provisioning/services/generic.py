"""The `generic` adapter: the contract of docs/registration-service.openapi.yaml.

    PUT    {base}/tenants/{tenant_id}   201 created, 200 already registered under this key, 409 under another one
    GET    {base}/tenants/{tenant_id}   200, or 404 absent
    DELETE {base}/tenants/{tenant_id}   204 removed, 404 absent, 409 registered under another key; closes the key
    GET    {base}/tenants?cursor=...    200 {"tenant_ids": [...], "next": cursor}; 404, 405 or 501 without a list

The body of "404 absent" is {"error": "not registered"}: any other 404 is that of another server or of a proxy.
Every PUT and DELETE carries an Idempotency-Key. A service answers 409 to a PUT under a key that a DELETE has closed, so
a late request of a superseded attempt registers nothing. A service need not have the list.
"""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from typing_extensions import override

from provisioning.errors import ResourceConflict, ServiceRegistrationFailed
from provisioning.services import answers
from provisioning.services.adapter import NO_LIST, UNKNOWN, Adapter, Registration
from provisioning.services.tenant_database import ServiceTenant
from provisioning.stage import Service
from provisioning.tenant.schema import SCHEMA

MOST_PAGES = 1000
"""Of a list of tenants. A page has at most 1,000 of them."""


class Generic(Adapter):
    """Register tenants with a service that keeps the contract above, which passes on the secret's name only."""

    takes_credentials = False
    absent = ("error", "not registered")

    @override
    def register(self, tenant: ServiceTenant) -> Registration:
        """In this contract 200 and 201 say that the tenant is ready."""
        job = tenant.job
        return self.put(
            tenant.external_id,
            {
                "tenant_id": tenant.external_id,
                "project_id": job.project_id,
                "region": job.cluster.region,
                "organization_id": job.organization_id,
                "database": {
                    "host": job.cluster.host,
                    "port": job.cluster.port,
                    "name": tenant.database,
                    "schema": SCHEMA,
                },
                "secret_arn": tenant.secret_arn,
            },
        )

    @override
    def deregister(self, tenant_id: str) -> bool:
        """Remove what was registered under the tenant's key and close the key. Return whether anything was removed.

        A registration under another key was made by somebody else and stays.
        """
        status, body = self._request("DELETE", tenant_id)
        if not self._is_absent(status, body) and status not in (204, 409):
            raise self.client.refusal(status)
        return status == 204

    @classmethod
    @override
    def requests(cls, method: str) -> int | None:
        """To register a tenant and to look at it takes one, and nothing else is asked for."""
        return 1 if method in ("register", "obstacle") else 0

    @override
    def exists(self, tenant_id: str) -> bool:
        return self.find(tenant_id) is not None

    @override
    def tenant_ids(self) -> set[str] | None:
        found: set[str] = set()
        query, queries = "", set[str]()
        while query not in queries and len(queries) < MOST_PAGES:
            status, body = self._send("GET", f"{self.tenants_path}{query}")
            if not queries and status in NO_LIST:
                return None
            if status != 200:
                raise self.client.refusal(status)
            page = self.client.document(body)
            found |= answers.tenant_ids(self.service, page.get("tenant_ids"))
            if page.get("next") is None:
                return found
            queries.add(query)
            query = f"?{urlencode({'cursor': answers.text(self.service, page, 'next')})}"
        raise ServiceRegistrationFailed(f"{self.service} lists its tenants without end")

    @override
    def obstacle(self, tenant_id: str) -> str:
        """In this contract a service that knows the tenant serves it."""
        return "" if self.exists(tenant_id) else UNKNOWN

    def put(self, tenant_id: str, description: Mapping[str, Any]) -> Registration:
        """Register the tenant; a repeated call changes nothing and returns the same.

        Raise ResourceConflict when the tenant is registered under another key, or its key is closed.
        """
        status, body = self._request("PUT", tenant_id, description)
        if status == 409:
            raise ResourceConflict(f"{self.service} has another registration of this tenant, or has removed it")
        if status not in (200, 201):
            raise self.client.refusal(status)
        return self._registration(tenant_id, body)

    def find(self, tenant_id: str) -> Registration | None:
        """Return the tenant's registration, or None."""
        status, body = self._request("GET", tenant_id)
        if self._is_absent(status, body):
            return None
        if status != 200:
            raise self.client.refusal(status)
        return self._registration(tenant_id, body)

    def _request(self, method: str, tenant_id: str, body: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        key = {"Idempotency-Key": idempotency_key(tenant_id, self.service)} if method != "GET" else None
        return self._send(method, self._path(tenant_id), body, headers=key)

    def _registration(self, tenant_id: str, content: bytes) -> Registration:
        body = self.client.document(content)
        endpoint = answers.text(self.service, body, "endpoint")
        return Registration(tenant_id, endpoint, answers.instant(self.service, body, "registered_at"))


def idempotency_key(tenant_id: str, service: Service) -> str:
    """Return the key under which the tenant is registered with the service, whichever job or attempt asks."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{tenant_id}/{service}"))
