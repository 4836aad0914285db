"""The data plane's work of a provision alone: register, roles, database, schema; no ledger, no services."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench.environment import here, timed

if TYPE_CHECKING:
    from provisioning.cluster.register import Holder

TAKE = """
DELETE FROM control_plane.tenants USING control_plane.tenant_documents AS taken
WHERE tenants.tenant_id = (
        SELECT tenant_id FROM control_plane.tenants WHERE state = 'ready' AND job_id IS NULL LIMIT 1)
    AND taken.tenant_id = tenants.tenant_id
RETURNING taken.document
"""


def claim() -> float:
    """Give a tenant of the pool to a job that nobody has started, and return the milliseconds of that."""
    from provisioning.identity import tenant_from
    from provisioning.tenant import making

    with here().control_plane.cursor() as cursor:
        cursor.execute(TAKE)
        (document,) = cursor.fetchone() or (None,)
    if document is None:
        raise LookupError("the pool is empty")
    tenant, holder = tenant_from(document), _holder()
    return timed(lambda: making.claim(tenant, holder))


def make() -> float:
    """Make a tenant for a job that nobody has started, its secret included, and return the milliseconds of that."""
    from provisioning import control_plane
    from provisioning.identity import Tenant, new_tenant_id
    from provisioning.tenant import making

    (cluster,) = control_plane.connect().clusters()
    holder, now = _holder(), datetime.now(UTC)
    tenant = Tenant(new_tenant_id(), cluster, "making", holder.job_id, holder.project_id, None, None, now)

    def made() -> dict[str, Any]:
        secret = making.make_database(tenant, holder, lambda: None)
        return making.make_schema(tenant, secret.document)

    return timed(made)


def _holder() -> "Holder":
    from provisioning import control_plane
    from provisioning.cluster import register

    name = f"b-{uuid.uuid4().hex[:16]}"
    return register.holder_of(control_plane.connect(), f"bench-{name}", name)
