"""Who holds a tenant, in the control plane: how it is chosen, disputed, guarded against removal and marked as gone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from provisioning import queries
from provisioning.control_plane import BEGIN, COMMIT, Cluster, ControlPlane
from provisioning.errors import JobClosed
from provisioning.identity import Tenant, new_tenant_id, tenant_from
from provisioning.tenant import schema

QUERIES = queries.load(__file__)
LAST_LOOK_SECONDS = 120
"""How long after its removal a tenant is looked at once more. By then the last attempt that could make anything must
have ended: a function has 50 seconds, and a request that it sent is carried out or refused within another 50.
"""


class _Row(NamedTuple):
    tenant: dict[str, Any]


class _TenantId(NamedTuple):
    tenant_id: str


def choice(job_id: str, project_id: str, cluster_id: str) -> dict[str, object]:
    """Return the parameters of the query claim_tenant, with a new tenant_id in case no tenant is ready."""
    return {
        "job_id": job_id,
        "project_id": project_id,
        "cluster_id": cluster_id,
        "fingerprint": schema.fingerprint(),
        "new_tenant_id": new_tenant_id(),
    }


def dispute(control: ControlPlane, tenant: Tenant) -> Tenant:
    """Mark a tenant that the register gives to somebody else, and choose another for its job, in one transaction.

    Raise JobClosed if the job has lost its tenant.
    """
    job_id, project_id = str(tenant.job_id), str(tenant.project_id)
    row = control.fetch_one(
        _Row,
        BEGIN,
        QUERIES["record_disputed"],
        QUERIES["claim_tenant"],
        QUERIES["record_new_tenant"],
        COMMIT,
        QUERIES["find_chosen"],
        tenant_id=tenant.tenant_id,
        **choice(job_id, project_id, tenant.cluster.cluster_id),
    )
    if row is None:
        raise JobClosed("the job has no tenant any more")
    return tenant_from(row.tenant)


def record_disputed(control: ControlPlane, tenant: Tenant) -> None:
    """Mark a tenant that the register gives to somebody else: it is never chosen and never removed."""
    control.execute(QUERIES["record_disputed"], tenant_id=tenant.tenant_id, job_id=tenant.job_id)


def held_by(control: ControlPlane, job_id: str) -> list[Tenant]:
    """Return every unfinished tenant that the job holds."""
    return _tenants(control.fetch_all(_Row, QUERIES["find_held"], job_id=job_id))


def find(control: ControlPlane, tenant_id: str) -> Tenant | None:
    """Return the tenant, in any state, or None."""
    return next(iter(_tenants(control.fetch_all(_Row, QUERIES["find_tenant"], tenant_id=tenant_id))), None)


def record_found(
    control: ControlPlane, cluster: Cluster, tenant_id: str, job_id: str, project_id: str | None
) -> Tenant | None:
    """Record a tenant that its register gives to the job; return None if the control plane gives it to another job."""
    facts = {"tenant_id": tenant_id, "cluster_id": cluster.cluster_id, "job_id": job_id, "project_id": project_id}
    control.execute(QUERIES["record_found"], last_look=LAST_LOOK_SECONDS, **facts)
    found = find(control, tenant_id)
    return found if found is not None and (found.state, found.job_id) == ("removing", job_id) else None


def claim_removal(control: ControlPlane, tenant_id: str, job_id: str | None) -> bool:
    """Set a tenant to removing, and return whether its holder may: the guard before anything is sent to a cluster.

    From making, ready and claimed only for the holder; from active and suspended only if the holder is a job whose
    declaration says that it removes tenants.
    """
    asked = {"tenant_id": tenant_id, "job_id": job_id}
    claimed = control.fetch_one(_TenantId, QUERIES["claim_removal"], last_look=LAST_LOOK_SECONDS, **asked)
    return claimed is not None


def record_removed(control: ControlPlane, tenant_id: str, *, found: bool) -> None:
    """Record that everything was looked for and not found, and when the last look is due."""
    control.execute(QUERIES["record_removed"], tenant_id=tenant_id, found=found, last_look=LAST_LOOK_SECONDS)


def record_held_up(control: ControlPlane, tenant_id: str, held_up: str) -> None:
    """Record that only roles of the tenant are left, and which databases hold them up."""
    control.execute(QUERIES["record_held_up"], tenant_id=tenant_id, held_up=held_up)


def find_due(control: ControlPlane, limit: int) -> list[Tenant]:
    """Return the tenants whose look is due, the longest due first."""
    return _tenants(control.fetch_all(_Row, QUERIES["find_due"], limit=limit))


def record_looked(control: ControlPlane, tenant_id: str, removed: Sequence[str], error_message: str | None) -> None:
    """Record a look that found something or failed, and when the next is due."""
    facts = {"removed": list(removed), "error_message": error_message, "last_look": LAST_LOOK_SECONDS}
    control.execute(QUERIES["record_looked"], tenant_id=tenant_id, **facts)


def record_gone(control: ControlPlane, tenant: Tenant) -> None:
    """Record that nothing of the tenant is left or can appear, and finish its job's rollback if it was the last."""
    facts = {"tenant_id": tenant.tenant_id, "job_id": tenant.job_id}
    control.execute(QUERIES["record_gone"], QUERIES["record_rolled_back"], **facts)


def _tenants(rows: list[_Row]) -> list[Tenant]:
    return [tenant_from(row.tenant) for row in rows]
