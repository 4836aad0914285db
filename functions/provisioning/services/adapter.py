"""The interface of a service adapter, and the tenant as an adapter sees it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.aws import secrets
from provisioning.aws.documents import TENANT
from provisioning.errors import ServiceRegistrationFailed
from provisioning.services.client import LARGEST_ANSWER_BYTES, ServiceClient
from provisioning.services.database_tls import tls_enforced, tls_mode
from provisioning.stage import Service

if TYPE_CHECKING:
    from provisioning.ledger.job import Job

MIGRATION_SECONDS = 30.0
"""The time limit of a request in which a service migrates the tenant database; an attempt has some 40 s in all."""

LIST_SECONDS = 30.0
"""The time limit of a request that a service answers with every tenant that it has."""

LARGEST_LIST_BYTES = 32 * 1024 * 1024
"""Of such an answer: some 16,000 tenants, where it describes each in 2 KiB."""

NO_LIST = frozenset({404, 405, 501})
"""What a service answers that does not know the operation."""

STATEMENT_TIMEOUT_SECONDS = 10

PAUSE_SECONDS = 0.2
"""Between two questions whether a service is ready."""

TAKEN = b"has already been taken"
"""What a Phoenix application answers beside 422 when another request is keeping the same tenant: a retry finds it."""

UNKNOWN = "it does not know the tenant"


class Registration(NamedTuple):
    """A tenant as a service knows it."""

    external_id: str
    endpoint: str
    registered_at: datetime


class ServiceTenant:
    """A tenant as it is described to a service. Its credentials are read when an adapter first asks for them."""

    def __init__(self, job: "Job") -> None:
        self.job = job

    @property
    def external_id(self) -> str:
        """The tenant's name at every service: the tenant_id.

        A service without idempotency keys overwrites and removes by name, whoever sends the request. The tenant_id is
        random and never used again, so no other tenant's registration can have this name. It is a DNS label, because
        Realtime and Storage find their tenant by the host of a request.
        """
        return self.job.tenant.tenant_id

    @property
    def database(self) -> str:
        return self.job.tenant.names.database

    @property
    def slot_name(self) -> str:
        """The tenant's replication slot: unique on its cluster, in the characters that PostgreSQL takes.

        It does not contain "realtime": when Realtime removes a tenant, it ends and drops every slot of the server that
        has that in its name, in any database.
        """
        return f"changes_{self.external_id}"

    @property
    def secret_arn(self) -> str:
        """Raise RecordLost when the control plane knows none."""
        return self.job.tenant.recorded_secret

    @property
    def username(self) -> str:
        return str(self._document["username"])

    @property
    def password(self) -> str:
        return str(self._document["password"])

    @property
    def jwt_secret(self) -> str:
        return str(self._document["jwt_secret"])

    @property
    def database_url(self) -> str:
        """The issued credentials as one URL; a secret."""
        cluster = self.job.cluster
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        query = f"?{urlencode({'sslmode': tls_mode()})}" if tls_enforced() else ""
        return f"postgresql://{user}:{password}@{cluster.host}:{cluster.port}/{self.database}{query}"

    def connect(self) -> Connection:
        """Open a connection with the issued credentials, as the tenant's owner. Raise psycopg2.Error."""
        owner = self.job.tenant.names.owner_role
        return postgres.connect(self._document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS, role=owner)

    def key(self, role: str) -> str:
        """Return the JWT of a role, `anon` or `service_role`, issued when the tenant was made; a secret."""
        from provisioning.services import json_web_token

        return json_web_token.project_key(self.jwt_secret, role, int(self.job.tenant.created_at.timestamp()))

    @cached_property
    def _document(self) -> dict[str, object]:
        return secrets.read_recorded(self.secret_arn, TENANT)


class Adapter(ABC):
    """How tenants are registered with one kind of service.

    Only `register` may need more than the tenant_id: upkeep removes registrations of tenants whose job is forgotten,
    and the database of a suspended tenant is closed.

    Every method raises ServiceRegistrationFailed if a retry may help, ServiceRejectedRegistration if the service
    rejects the request permanently, Misconfigured if a setting or a secret is missing, SecretsUnavailable, and
    psycopg2.Error from the tenant's database.
    """

    serves: tuple[Service, ...] = tuple(Service)
    """The services that may have this adapter."""

    tenants_path = "/tenants"
    """The path of the service's tenants, below the base URL."""

    absent: tuple[str, str] | None = None
    """The member of its 404 about a tenant that it does not know; None for any `error`."""

    unauthorized = 401
    """The status with which the service rejects a token."""

    takes_credentials = True
    """Whether a registration passes on what the tenant's secret holds, which the stage's role may then read."""

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
