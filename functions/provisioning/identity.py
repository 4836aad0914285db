"""A tenant: its id, the names derived only from that id, and what the control plane knows about it."""

import string
from datetime import datetime
from typing import Any, NamedTuple, Self

from provisioning import configuration
from provisioning.control_plane.records import Cluster
from provisioning.errors import RecordLost

LENGTH = 20


def new_tenant_id() -> str:
    """Return 20 random letters a-z: 94 bits, in the form that Supabase gives the ref of a project."""
    import secrets

    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(LENGTH))


class TenantNames(NamedTuple):
    """The names of one tenant's objects. They say nothing of its project: every login can read them."""

    tenant_id: str

    @property
    def database(self) -> str:
        """The name of the database."""
        return f"tenant_{self.tenant_id}"

    @property
    def owner_role(self) -> str:
        """The role that owns the database and everything in it; nobody logs in as it."""
        return f"{self.database}_owner"

    @property
    def login_role(self) -> str:
        """The role whose credentials are issued; it acts as the owner."""
        return f"{self.database}_login"

    @classmethod
    def of_login(cls, login_role: str) -> Self:
        """Return the names of the tenant whose login this is."""
        return cls(login_role.removeprefix("tenant_").removesuffix("_login"))

    @property
    def secret(self) -> str:
        """The name of the secret with the credentials and the JWT secret."""
        return f"{configuration.optional('TENANT_SECRET_PREFIX', 'provisioner/tenants')}/{self.tenant_id}"

    def api_keys_secret(self, job_id: str) -> str:
        """Return the name of the secret with the raw API keys that a job makes.

        The job id is hashed, because it may contain characters that Secrets Manager does not accept in a name.
        """
        import uuid

        return f"{self.secret}/api-keys/{uuid.uuid5(uuid.NAMESPACE_URL, f'provisioner/{job_id}')}"


class Tenant(NamedTuple):
    """A tenant and its holder: a job or, if job_id is None, the refill of its cluster's pool."""

    tenant_id: str
    cluster: Cluster
    state: str
    job_id: str | None
    project_id: str | None
    secret_arn: str | None
    prepared: dict[str, Any] | None
    """What "Create tenant schema" returns once the schema exists."""
    created_at: datetime
    removed_at: datetime | None = None

    @property
    def recorded_secret(self) -> str:
        """The ARN of its secret, for a stage after "Create tenant database", which records it. Raise RecordLost."""
        if self.secret_arn is None:
            raise RecordLost(f"the control plane has lost the record of tenant {self.tenant_id}'s secret")
        return self.secret_arn

    @property
    def names(self) -> TenantNames:
        """The names of everything that belongs to the tenant."""
        return TenantNames(self.tenant_id)


def tenant_from(document: dict[str, Any]) -> Tenant:
    """Return the tenant that a query of the control plane describes as a JSON object."""
    times = {
        name: datetime.fromisoformat(document[name]) if document[name] is not None else None
        for name in ("created_at", "removed_at")
    }
    return Tenant(**{**document, "cluster": Cluster(**document["cluster"]), **times})
