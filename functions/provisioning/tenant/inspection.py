"""Inspect the pool of a cluster: which of its tenants a job could not use, and why. Nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.cluster.register import Holding
from provisioning.control_plane import Cluster
from provisioning.errors import InsufficientPermissions
from provisioning.identity import Tenant
from provisioning.tenant import condition
from provisioning.tenant.condition import MISSING, Condition


@dataclass
class Inspection:
    """What was found of the tenants of a pool, by their ids."""

    lost: dict[str, str] = field(default_factory=dict)
    """Why no job could use the tenant."""
    held_by_another: list[str] = field(default_factory=list)
    """What the register gives to somebody else."""
    unknown: dict[str, Exception] = field(default_factory=dict)
    """Whose secret could not be judged."""


def inspect(cluster: Cluster, control_plane_id: str, ready: Sequence[tuple[Tenant, bool]]) -> Inspection:
    """Return what is wrong with tenants that count as ready, each given with whether its secret must be found by now.

    If no secret can be read, the function's role or Secrets Manager is at fault, and no tenant. Raise psycopg2.Error.
    """
    ids = [tenant.tenant_id for tenant, _ in ready]
    _, (conditions, holders) = sessions.on(
        cluster, lambda session: (condition.of_tenants(session, ids), register.holders(session, ids))
    )
    found = Inspection()
    refused: dict[str, Exception] = {}
    read = 0
    for tenant, is_settled in ready:
        holder = holders.get(tenant.tenant_id)
        if holder is not None and (holder.control_plane_id, holder.job_id) != (control_plane_id, None):
            found.held_by_another.append(tenant.tenant_id)
            continue
        wrong = _wrong_on_cluster(conditions[tenant.tenant_id], holder)
        try:
            problem = condition.of_secret(tenant)
        except InsufficientPermissions as error:
            refused[tenant.tenant_id] = error
        except Exception as error:  # noqa: BLE001 no error of one tenant may stop the others
            found.unknown[tenant.tenant_id] = error
        else:
            read += problem != MISSING
            wrong += [problem] if problem and (is_settled or problem != MISSING) else []
        if wrong:
            found.lost[tenant.tenant_id] = ", ".join(wrong)
    if not read:
        found.unknown |= refused
        return found
    for tenant_id in refused:
        found.lost.setdefault(tenant_id, "its secret cannot be read")
    return found


def _wrong_on_cluster(found: Condition, holder: Holding | None) -> list[str]:
    wrong = [f"no {name}" for name in found.missing] + found.closed
    if holder is None:
        return [*wrong, "no row in the register"]
    return wrong if holder.state == "kept" else [*wrong, f"{holder.state} in the register"]
