"""The interface of a service adapter."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from provisioning.errors import ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services.client import LARGEST_ANSWER_BYTES, ServiceClient
from provisioning.services.tenant_database import ServiceTenant, TenantDatabase
from provisioning.stage import Service

MIGRATION_SECONDS = 30.0
"""The time limit of a request in which a service migrates the tenant database; an attempt has some 40 s in all."""

LIST_SECONDS = 30.0
"""The time limit of a request that a service answers with every tenant that it has."""

LARGEST_LIST_BYTES = 32 * 1024 * 1024
"""Of such an answer: some 16,000 tenants, where it describes each in 2 KiB."""

NO_LIST = frozenset({404, 405, 501})
"""What a service answers that does not know the operation."""

PAUSE_SECONDS = 0.2
"""Between two questions whether a service is ready."""

TAKEN = b"has already been taken"
"""What a Phoenix application answers beside 422 when another request is keeping the same tenant: a retry finds it."""

UNKNOWN = "it does not know the tenant"

NOT_ITS_OWN = "answered 404, but not as this service does"
"""Another server did, at a wrong address, or a proxy before the service: it says nothing about a tenant."""


class Registration(NamedTuple):
    """A tenant as a service knows it."""

    external_id: str
    endpoint: str
    registered_at: datetime


class Adapter(ABC):
    """How tenants are registered with one kind of service.

    Only `register` may need more than the tenant_id: upkeep removes registrations of tenants whose job is forgotten,
    and the database of a suspended tenant is closed.

    Every method raises ServiceRegistrationFailed if a retry may help, ServiceRejectedRegistration if the service
    rejects the request permanently or another server answers 404 in its place, Misconfigured if a setting or a secret
    is missing, SecretsUnavailable, and psycopg2.Error from the tenant's database.
    """

    serves: tuple[Service, ...] = tuple(Service)
    """The services that may have this adapter."""

    tenants_path = "/tenants"
    """The path of the service's tenants, below the base URL."""

    absent: tuple[str, str]
    """The member of the JSON object that is its 404 about a tenant that it does not know. It has no other."""

    unauthorized = 401
    """The status with which the service rejects a token."""

    takes_credentials = True
    """Whether a registration passes on what the tenant's secret holds, which the stage's role may then read."""

    own_schemas: tuple[str, ...] = ()
    """The schemas that the service makes for itself in a tenant's database, and makes again in another one. No export
    has them.
    """

    def __init__(self, client: ServiceClient) -> None:
        self.client = client

    @property
    def service(self) -> Service:
        """The service that the tenant is registered with."""
        return self.client.service

    @abstractmethod
    def register(self, tenant: ServiceTenant) -> Registration:
        """Register the tenant, and return once the service reports that it can serve it.

        A repeated call leaves one registration. Raise ServiceRegistrationFailed while the tenant is not ready.
        """

    @abstractmethod
    def deregister(self, tenant_id: str) -> bool:
        """Remove the tenant's registration. Return whether there was one."""

    @abstractmethod
    def exists(self, tenant_id: str) -> bool:
        """Return whether the service has a registration of the tenant."""

    def tenant_ids(self) -> set[str] | None:
        """Return the ids of all tenants that the service has, those in the form of a tenant_id, of any control plane.

        None if its contract has no list. Ids that are added or removed meanwhile may be missing.
        """
        return None

    @abstractmethod
    def obstacle(self, tenant_id: str) -> str:
        """Return what keeps the service from serving the tenant, in our words; '' if the service says nothing does."""

    def ready(self, tenant_id: str) -> bool:
        """Return whether the service says that it can serve the tenant."""
        return not self.obstacle(tenant_id)

    def suspend(self, tenant_id: str) -> bool:  # noqa: ARG002 (an adapter that can suspend needs it)
        """Have the service stop serving the tenant and keep its registration; repeating it changes nothing.

        Return whether it did: False if its contract offers no way, or it does not know the tenant.
        """
        return False

    def resume(self, tenant_id: str) -> bool:  # noqa: ARG002 (as for suspend)
        """Have the service serve the tenant again; repeating it changes nothing.

        Return whether it did: False if its contract offers no way, or it does not know the tenant.
        """
        return False

    @classmethod
    def requests(cls, method: str) -> int | None:
        """Return how many requests a method takes that nothing delays; None if that depends on the service.

        Without an override, to suspend or resume takes none.
        """
        return 0 if getattr(cls, method) is getattr(Adapter, method) else None

    @classmethod
    def repairs(cls) -> bool:
        """Return whether a later version of the service leaves something to repair in registered tenants."""
        return cls.repair is not Adapter.repair

    def migrated_to(self, tenant_id: str) -> str | None:  # noqa: ARG002 (as for suspend)
        """Return to what the service has migrated the tenant's database, in its own words; None if it does not say.

        Upkeep repairs the tenant when this has changed since the last repair.
        """
        return None

    def repair(self, tenant: TenantDatabase) -> str:  # noqa: ARG002 (as for suspend)
        """Do in an active tenant's database what the service's later migrations have left undone, over its own login.

        Return what was done, in our words, or '' if there was nothing to do. One call does a bounded part of it: upkeep
        comes back until there is nothing. The tenant may have made or changed anything in its database.
        """
        return ""

    def _authorize(self, token: str) -> dict[str, str]:
        """Return the headers of one request that carry the service's token."""
        return {"Authorization": f"Bearer {token}"}

    def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        largest: int = LARGEST_ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """Send a request with the service's token, as ServiceClient.request does."""
        return self.client.request(
            method,
            path,
            self._authorize,
            headers=headers,
            body=body,
            unauthorized=self.unauthorized,
            seconds=seconds,
            largest=largest,
        )

    def is_absence(self, body: bytes) -> bool:
        """Return whether the body of a 404 is this service's own, of a tenant that it does not know."""
        with suppress(ValueError, RecursionError):
            return bool(json.loads(body) == dict([self.absent]))
        return False

    def _is_absent(self, status: int, body: bytes) -> bool:
        """Return whether an answer says that the service does not know the tenant.

        Raise ServiceRejectedRegistration for a 404 that is not its own: taken for an absence it would leave behind a
        registration that nobody looks for again.
        """
        if status == 404 and not self.is_absence(body):
            raise ServiceRejectedRegistration(f"{self.service} {NOT_ITS_OWN}")
        return status == 404

    def _list(self) -> bytes | None:
        """Return the answer that lists all tenants at once; None if the service has no list."""
        status, body = self._send("GET", self.tenants_path, seconds=LIST_SECONDS, largest=LARGEST_LIST_BYTES)
        if status in NO_LIST:
            return None
        if status != 200:
            raise self.client.refusal(status)
        return body

    def _path(self, tenant_id: str) -> str:
        return f"{self.tenants_path}/{quote(tenant_id, safe='')}"

    def _registered(self, tenant: ServiceTenant, patience: float = 0.0) -> Registration:
        """Return the registration once the service says that it is ready, which may take it that many seconds."""
        ends_at = time.monotonic() + patience
        while obstacle := self.obstacle(tenant.external_id):
            if time.monotonic() >= ends_at:
                raise ServiceRegistrationFailed(f"{self.service} is not ready for the tenant: {obstacle}")
            time.sleep(PAUSE_SECONDS)
        endpoint = f"{self.client.base_url}{self._path(tenant.external_id)}"
        return Registration(tenant.external_id, endpoint, datetime.now(UTC))
