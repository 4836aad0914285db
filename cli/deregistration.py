"""Remove the registration of a tenant that neither the control plane nor a cluster has."""

import time

import psycopg2

from cli.doctor_cluster import find_holders
from local.errors import Conflict, HumanError
from provisioning import control_plane, lookup, postgres
from provisioning.control_plane import Cluster
from provisioning.services import adapter_for
from provisioning.stage import Service

SECONDS = 50.0
UNFINISHED = ("pending", "running")


def deregister(service: Service, tenant_id: str) -> str:
    """Remove the service's registration of an unknown tenant, and return whether there was one.

    A tenant_id is never used again, so nothing can register it later. Repeating it changes nothing. Raise HumanError if
    the control plane or one of its clusters has the tenant, if one of them cannot be asked, and if the service keeps
    the registration; raise what the adapter raises.
    """
    if lookup.tenant_ids_in(tenant_id) != [tenant_id]:
        raise HumanError(f"{tenant_id} is no tenant id: a tenant id is 20 letters a-z")
    for cluster in _clusters_without(tenant_id):
        _refuse_held(cluster, tenant_id)
    adapter = adapter_for(service, time.monotonic() + SECONDS)
    existed = adapter.deregister(tenant_id)
    if adapter.exists(tenant_id):
        raise Conflict(f"{service} keeps its registration of {tenant_id}: whoever made it must remove it there")
    if not existed:
        return f"{service} has no registration of {tenant_id}."
    return f"{service} had a registration of {tenant_id} and has removed it."


def _clusters_without(tenant_id: str) -> list[Cluster]:
    """Return the clusters of a control plane that does not have the tenant. Raise HumanError if it has."""
    try:
        control = control_plane.connect()
        owner = lookup.find_owner(control, tenant_id)
        clusters = control.clusters()
    except psycopg2.Error as error:
        raise HumanError(f"the control plane cannot be asked about {tenant_id}: {postgres.describe(error)}") from error
    if owner is not None and owner.state != "gone":
        raise Conflict(f"{tenant_id} is {owner.state}, its registrations stay: see provision whose {tenant_id}")
    if owner is not None and owner.job_status in UNFINISHED:
        raise Conflict(f"the job {owner.job_id} of {tenant_id} has not ended: see provision watch {owner.job_id}")
    return clusters


def _refuse_held(cluster: Cluster, tenant_id: str) -> None:
    where = f"cluster {cluster.cluster_id}"
    try:
        held = find_holders(cluster, [tenant_id])
    except psycopg2.Error as error:
        raise HumanError(f"{where} cannot be asked about {tenant_id}: {postgres.describe(error)}") from error
    if tenant_id in held:
        registered = held[tenant_id]
        holder = f", which its register gives to {registered.holder}" if registered is not None else ""
        raise Conflict(f"{where} has the tenant {tenant_id}{holder}: run provision doctor")
