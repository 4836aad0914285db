"""The tenant as an adapter sees it: its database with the issued credentials, and the job that registers it."""

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.aws import secrets
from provisioning.aws.documents import TENANT
from provisioning.identity import Tenant
from provisioning.services.database_tls import tls_enforced, tls_mode

if TYPE_CHECKING:
    from provisioning.ledger.job import Job

STATEMENT_TIMEOUT_SECONDS = 10


class TenantDatabase:
    """A tenant's database, entered with the issued credentials, which are read when an adapter first asks for them."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant

    @property
    def external_id(self) -> str:
        """The tenant's name at every service: the tenant_id.

        A service without idempotency keys overwrites and removes by name, whoever sends the request. The tenant_id is
        random and never used again, so no other tenant's registration can have this name. It is a DNS label, because
        Realtime and Storage find their tenant by the host of a request.
        """
        return self.tenant.tenant_id

    @property
    def database(self) -> str:
        return self.tenant.names.database

    @property
    def secret_arn(self) -> str:
        """Raise RecordLost when the control plane knows none."""
        return self.tenant.recorded_secret

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
        cluster = self.tenant.cluster
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        query = f"?{urlencode({'sslmode': tls_mode()})}" if tls_enforced() else ""
        return f"postgresql://{user}:{password}@{cluster.host}:{cluster.port}/{self.database}{query}"

    def connect(self, statement_timeout_seconds: int = STATEMENT_TIMEOUT_SECONDS) -> Connection:
        """Open a connection with the issued credentials, as the tenant's owner. Raise psycopg2.Error."""
        owner = self.tenant.names.owner_role
        return postgres.connect(self._document, statement_timeout_seconds=statement_timeout_seconds, role=owner)

    @cached_property
    def _document(self) -> dict[str, object]:
        return secrets.read_recorded(self.secret_arn, TENANT)


class ServiceTenant(TenantDatabase):
    """A tenant as its job describes it to a service."""

    def __init__(self, job: "Job") -> None:
        super().__init__(job.tenant)
        self.job = job

    @property
    def slot_name(self) -> str:
        """The tenant's replication slot: unique on its cluster, in the characters that PostgreSQL takes.

        It does not contain "realtime": when Realtime removes a tenant, it ends and drops every slot of the server that
        has that in its name, in any database.
        """
        return f"changes_{self.external_id}"

    def key(self, role: str) -> str:
        """Return the JWT of a role, `anon` or `service_role`, issued when the tenant was made; a secret."""
        from provisioning.services import json_web_token

        return json_web_token.project_key(self.jwt_secret, role, int(self.tenant.created_at.timestamp()))
