"""What every service adapter does, and the tenant that it does it for."""

import base64
import re
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote, urlencode

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration, tenant_schema, tenant_secret
from provisioning.errors import Misconfigured, ServiceRegistrationFailed
from provisioning.job import Job
from provisioning.service_client import ServiceClient
from provisioning.stage import Service

MIGRATION_SECONDS = 30.0
"""What a request may take in which a service migrates the tenant database; an attempt has some 40 seconds in all."""

READABLE_CHARACTERS = 20
HASH_CHARACTERS = 26


class Registration(NamedTuple):
    """A tenant as a service knows it."""

    external_id: str
    endpoint: str
    registered_at: str


class Tenant:
    """A job's tenant, for a service to know. Its credentials are read when an adapter asks for them, and not before."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @property
    def external_id(self) -> str:
        """The name of this job's registration with a service that has no idempotency keys.

        Such a service overwrites and removes by name alone, whoever asks. A name that is derived from the project
        and the job proves whose it is: another job's registration has another name and can be neither overwritten
        nor removed, and a request of this job that arrives late makes nothing but what this job's compensation
        removes. It is a DNS label, because Realtime and Storage find their tenant by the host that is asked for.
        """
        readable = re.sub(r"[^a-z0-9]+", "-", self.job.project_id.lower())[:READABLE_CHARACTERS].strip("-")
        return f"{readable}-{self._fingerprint}".lstrip("-")

    @property
    def slot_name(self) -> str:
        """The tenant's replication slot: unique on its cluster, in the characters that PostgreSQL takes.

        Nothing of the project's own name is in it, and no "realtime": Realtime's removal of a tenant ends and drops
        every slot of the server that has that in its name, whichever database it is in.
        """
        return f"changes_{self._fingerprint}"

    @property
    def username(self) -> str:
        return str(self._document["username"])

    @property
    def password(self) -> str:
        return str(self._document["password"])

    @property
    def jwt_secret(self) -> str:
        """Raises Misconfigured when the project's secret was made before projects had one."""
        secret = self._document.get("jwt_secret")
        if not isinstance(secret, str):
            raise Misconfigured("the project's secret holds no JWT secret")
        return secret

    @property
    def database_url(self) -> str:
        """The issued credentials as one URL; a secret."""
        job = self.job
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        query = f"?{urlencode({'sslmode': tls_mode()})}" if tls_enforced() else ""
        return f"postgresql://{user}:{password}@{job.cluster.host}:{job.cluster.port}/{job.names.database}{query}"

    def connect(self) -> Connection:
        """Opens a connection with the issued credentials. Raises psycopg2.Error."""
        return tenant_schema.issued_connection(self._document)

    def key(self, role: str) -> str:
        """Returns the JWT of a role, `anon` or `service_role`; a secret."""
        from provisioning import json_web_token

        return json_web_token.project_key(self.jwt_secret, role, int(self.job.created_at.timestamp()))

    @property
    def _fingerprint(self) -> str:
        import hashlib

        digest = hashlib.sha256(f"{self.job.project_id}/{self.job.job_id}".encode()).digest()
        return base64.b32encode(digest).decode().lower()[:HASH_CHARACTERS]

    @cached_property
    def _document(self) -> dict[str, object]:
        if self.job.secret_arn is None:
            raise Misconfigured("this job has no secret")
        return tenant_secret.read(self.job.secret_arn)


class Adapter(ABC):
    """How one kind of service takes tenants.

    Every method raises ServiceRegistrationFailed when trying again may help, ServiceRejectedRegistration on a final
    no, Misconfigured when a setting or a secret is missing, and psycopg2.Error from the tenant's database.
    """

    def __init__(self, client: ServiceClient) -> None:
        self.client = client

    @property
    def service(self) -> Service:
        """The service that the tenant is registered with."""
        return self.client.service

    @abstractmethod
    def register(self, tenant: Tenant) -> Registration:
        """Registers the tenant, and returns once the service has said that it can serve it.

        Doing it again leaves one registration. Raises ServiceRegistrationFailed while the tenant is not ready.
        """

    @abstractmethod
    def deregister(self, tenant: Tenant) -> bool:
        """Removes this job's registration, and no other. Tells whether there was one."""

    @abstractmethod
    def exists(self, tenant: Tenant) -> bool:
        """Tells whether the service has a registration under the tenant's name."""

    @abstractmethod
    def ready(self, tenant: Tenant) -> bool:
        """Tells whether the service says that it can serve the tenant."""

    def _registered(self, tenant: Tenant, path: str) -> Registration:
        if not self.ready(tenant):
            raise ServiceRegistrationFailed(f"{self.service} is not ready for the tenant")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Registration(tenant.external_id, f"{self.client.base_url}{path}", now)


def tls_mode() -> str:
    """Returns the sslmode that this installation's databases ask for."""
    return configuration.optional("DATABASE_SSL_MODE", "verify-full")


def tls_enforced() -> bool:
    """Tells whether a service must connect to the database with TLS."""
    return tls_mode() not in {"disable", "allow", "prefer"}
