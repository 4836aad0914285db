"""Tell what is found in a cluster, and how much room it has. Every session is read-only."""

from collections.abc import Collection, Iterator
from typing import Any

from cli.findings import Finding
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.control_plane import Cluster
from provisioning.examination import clusters, server, tenants
from provisioning.examination.examining import Examination
from provisioning.examination.known import Known, RegisteredTenant


def credentials(secret_id: str) -> dict[str, Any]:
    """Return the database credentials in a secret. Raise Misconfigured if some are missing, and what reading raises."""
    return secrets.read(secret_id, CREDENTIALS)


def find_holders(cluster: Cluster, tenant_ids: Collection[str]) -> dict[str, RegisteredTenant | None]:
    """Return which of the tenants the cluster has, in its register or by the name of a database or a role.

    Each is as the register has it, None without a row there. Raise psycopg2.Error and ProvisioningError.
    """
    with clusters.reading(cluster) as session:
        held: dict[str, RegisteredTenant | None] = dict.fromkeys(tenants.existing(session))
        held |= {one.tenant_id: one for one in tenants.find_registered(session)}
    return {tenant_id: held[tenant_id] for tenant_id in held.keys() & set(tenant_ids)}


def examine_cluster(cluster: Cluster, known: Known) -> Iterator[Finding]:
    """Yield what Examination finds wrong with a cluster, whether it has room, and what is so far right.

    Raise psycopg2.Error and ProvisioningError.
    """
    subject, where = f"cluster {cluster.cluster_id}", f"{cluster.host}:{cluster.port}"
    examination = Examination(cluster, known)
    yield from (Finding(subject, *fact) for fact in examination.facts())
    known.examined.add(cluster.cluster_id)
    room = known.rooms[cluster.cluster_id]
    if room <= 0:
        yield Finding(
            subject,
            f"all {cluster.capacity} places are taken",
            f"add a cluster, or raise its capacity: {clusters.adding(cluster, 'MORE')}",
        )
    if (seen := examination.seen) is not None:
        others = sum(one.control_plane_id != known.control_plane_id for one in seen.registered)
        shared_with = f"; {others} tenants of other control planes" if others else ""
        told = f"room for {max(room, 0)} of {cluster.capacity} databases{shared_with}; {server.told(seen.connections)}"
        yield Finding(subject, f"reached on {where} as {seen.admin.name}, {told}")
