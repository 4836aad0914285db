"""The `generic` adapter: the contract of docs/registration-service.openapi.yaml.

    PUT    {base}/tenants/{project_id}   201 created, 200 already registered under this key, 409 under another one
    GET    {base}/tenants/{project_id}   200, or 404
    DELETE {base}/tenants/{project_id}   204 removed, 404 absent, 409 registered under another key; closes the key

Every PUT and DELETE carries an Idempotency-Key; a service takes no PUT under a key that a DELETE has closed, so a
request of an attempt that was given up does no harm when it arrives late.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from typing_extensions import override

from provisioning import tenant_schema
from provisioning.errors import ResourceConflict, ServiceRegistrationFailed
from provisioning.services.adapter import Adapter, Registration, Tenant

LONGEST_TEXT = 512


class Generic(Adapter):
    """Registers tenants with a service that keeps the contract above."""

    @override
    def register(self, tenant: Tenant) -> Registration:
        """In this contract 200 and 201 say that the tenant is ready."""
        job = tenant.job
        return self.put(
            job.project_id,
            job.idempotency_key(self.service),
            {
                "project_id": job.project_id,
                "region": job.cluster.region,
                "organization_id": job.organization_id,
                "database": {
                    "host": job.cluster.host,
                    "port": job.cluster.port,
                    "name": job.names.database,
                    "schema": tenant_schema.SCHEMA,
                },
                "secret_arn": job.secret_arn,
            },
        )

    @override
    def deregister(self, tenant: Tenant) -> bool:
        return self.delete(tenant.job.project_id, tenant.job.idempotency_key(self.service))

    @override
    def exists(self, tenant: Tenant) -> bool:
        return self.find(tenant.job.project_id) is not None

    @override
    def ready(self, tenant: Tenant) -> bool:
        """In this contract a service that knows the tenant serves it."""
        return self.exists(tenant)

    def put(self, project_id: str, idempotency_key: str, tenant: Mapping[str, Any]) -> Registration:
        """Registers the tenant; doing it again under the same key changes nothing and answers the same.

        Raises ResourceConflict when the tenant is registered under another key.
        """
        status, body = self._request("PUT", project_id, idempotency_key, tenant)
        if status == 409:
            raise ResourceConflict(f"{self.service} has a registration of this tenant that is not this job's")
        if status not in (200, 201):
            raise self.client.refusal(status)
        return self._registration(body)

    def find(self, project_id: str) -> Registration | None:
        """Returns the tenant's registration, or None."""
        status, body = self._request("GET", project_id)
        if status == 404:
            return None
        if status != 200:
            raise self.client.refusal(status)
        return self._registration(body)

    def delete(self, project_id: str, idempotency_key: str) -> bool:
        """Removes what was registered under the key and closes the key. Tells whether there was anything to remove.

        A registration under another key is not this job's and stays.
        """
        status, _ = self._request("DELETE", project_id, idempotency_key)
        if status not in (204, 404, 409):
            raise self.client.refusal(status)
        return status == 204

    def _request(
        self, method: str, project_id: str, idempotency_key: str = "", body: Mapping[str, Any] | None = None
    ) -> tuple[int, bytes]:
        return self.client.request(
            method,
            f"/tenants/{quote(project_id, safe='')}",
            lambda token: {"Authorization": f"Bearer {token}"},
            headers={"Idempotency-Key": idempotency_key} if idempotency_key else None,
            body=body,
        )

    def _registration(self, content: bytes) -> Registration:
        body = self.client.document(content)
        try:
            return Registration(*(_text(body[name]) for name in ("external_id", "endpoint", "registered_at")))
        except (ValueError, KeyError):
            raise ServiceRegistrationFailed(f"{self.service} answered something its contract does not know") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > LONGEST_TEXT:
        raise ValueError
    return value
