"""A tenant as the control plane knows it."""

from datetime import datetime
from typing import Any, NamedTuple

from provisioning.control_plane import Cluster
from provisioning.tenant.names import TenantNames


class Tenant(NamedTuple):
    """A tenant, and who holds it: a job, or without one the refill of its cluster's pool."""

    tenant_id: str
    cluster: Cluster
    state: str
    job_id: str | None
    project_id: str | None
    secret_arn: str | None
    prepared: dict[str, Any] | None
    """What "Create tenant schema" answers once the schema is there."""
    created_at: datetime
    removed_at: datetime | None = None

    @property
    def names(self) -> TenantNames:
        """The names of everything that is the tenant's."""
        return TenantNames(self.tenant_id)


def tenant_from(document: dict[str, Any]) -> Tenant:
    """Return the tenant that a query of the control plane describes as a JSON object."""
    times = {
        name: datetime.fromisoformat(document[name]) if document[name] is not None else None
        for name in ("created_at", "removed_at")
    }
    return Tenant(**{**document, "cluster": Cluster(**document["cluster"]), **times})
