"""Record what is wrong with a cluster, and read what was last recorded.

A finding is recorded without what mends it: that may name the secret of a cluster's admin.
"""

import functools
import json
from datetime import datetime
from typing import Any, NamedTuple

import psycopg2

from provisioning import postgres, queries
from provisioning.control_plane import Cluster, ControlPlane
from provisioning.errors import ControlPlaneUnavailable, ProvisioningError
from provisioning.examination.examining import Examination
from provisioning.examination.known import Known, KnownTenant, find_tenants

QUERIES = queries.load(__file__)
MINUTES = 10
"""How old an examination becomes before upkeep makes another."""

AT_MOST = 100
"""Findings that are recorded of a cluster."""

LONGEST = 1000
"""Characters of a finding: a tenant chooses the names of settings."""

WITHHELD = "provision doctor says why"
"""Why a tenant cannot be removed may name the secret of a cluster's admin too."""


class ExaminedCluster(NamedTuple):
    """A cluster as the control plane knows it, with its last examination; that is None for a cluster without one."""

    cluster_id: str
    region: str
    engine: str
    version: str
    size: str
    host: str
    port: int
    capacity: int
    room: int
    pool_size: int | None
    """None: the setting POOL_SIZE."""
    ready: int
    """Tenants of the pool that are ready for a project."""
    examined_at: datetime | None
    server_version: str | None
    connections: dict[str, Any] | None
    findings: list[str] | None


class _Due(NamedTuple):
    cluster_id: str


def find_due(control: ControlPlane) -> list[Cluster]:
    """Return the clusters that have not been examined for ten minutes, the longest due first."""
    known = {cluster.cluster_id: cluster for cluster in control.clusters()}
    due = control.fetch_all(_Due, QUERIES["find_due_examinations"], minutes=MINUTES)
    return [known[one.cluster_id] for one in due if one.cluster_id in known]


def record(control: ControlPlane, cluster: Cluster) -> None:
    """Examine a cluster and record what is wrong with it. One that cannot be examined has that as its finding.

    Raise ControlPlaneUnavailable.
    """
    examination = Examination(cluster, Known(control.identity(), {}, functools.partial(_find_tenants, control)))
    try:
        told = [fact[:LONGEST] for fact, _ in examination.facts()]
    except psycopg2.Error as error:
        told = [postgres.describe(error)]
    except ControlPlaneUnavailable:
        raise
    except ProvisioningError as error:
        # The message may name the secret.
        told = [f"its admin's secret cannot be used: {type(error).__name__}"]
    seen = examination.seen
    more = [f"and {len(told) - AT_MOST} more"] if len(told) > AT_MOST else []
    control.execute(
        QUERIES["record_examination"],
        cluster_id=cluster.cluster_id,
        server_version=seen.server_version if seen is not None else None,
        connections=seen.connections._asdict() if seen is not None else None,
        findings=json.dumps(told[:AT_MOST] + more),
    )


def find(control: ControlPlane, cluster_id: str | None = None) -> list[ExaminedCluster]:
    """Return every cluster by its id, or the one with this id."""
    return control.fetch_all(ExaminedCluster, QUERIES["find_examined"], cluster_id=cluster_id)


def _find_tenants(control: ControlPlane) -> list[KnownTenant]:
    found = find_tenants(control)
    return [one._replace(refusal=WITHHELD) if one.refusal is not None else one for one in found]
