"""Record what is wrong with a cluster, and read what was last recorded.

A finding is recorded without what mends it: that may name the secret of a cluster's admin.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import errors

from provisioning import postgres, queries
from provisioning.aws import secrets
from provisioning.aws.documents import LOGIN
from provisioning.cluster import connections
from provisioning.cluster.connections import Connections
from provisioning.control_plane import Cluster, ControlPlane
from provisioning.errors import ProvisioningError
from provisioning.examination import clusters, server
from provisioning.examination.server import Fact

QUERIES = queries.load(__file__)
MINUTES = 10
"""How old an examination becomes before upkeep makes another."""

AT_MOST = 100
"""Findings that are recorded of a cluster."""


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


class _Examination(NamedTuple):
    server_version: str | None
    connections: Connections | None
    facts: list[Fact]


def find_due(control: ControlPlane) -> list[Cluster]:
    """Return the clusters that have not been examined for ten minutes, the longest due first."""
    known = {cluster.cluster_id: cluster for cluster in control.clusters()}
    due = control.fetch_all(_Due, QUERIES["find_due_examinations"], minutes=MINUTES)
    return [known[one.cluster_id] for one in due if one.cluster_id in known]


def record(control: ControlPlane, cluster: Cluster) -> None:
    """Examine a cluster and record what is wrong with it. One that cannot be examined has that as its finding."""
    try:
        found = _examine(cluster)
    except psycopg2.Error as error:
        found = _Examination(None, None, [(postgres.describe(error), "")])
    except ProvisioningError as error:
        # The message may name the secret.
        found = _Examination(None, None, [(f"its admin's secret cannot be used: {type(error).__name__}", "")])
    told = [fact for fact, _ in found.facts]
    more = [f"and {len(told) - AT_MOST} more"] if len(told) > AT_MOST else []
    control.execute(
        QUERIES["record_examination"],
        cluster_id=cluster.cluster_id,
        server_version=found.server_version,
        connections=found.connections._asdict() if found.connections is not None else None,
        findings=json.dumps(told[:AT_MOST] + more),
    )


def find(control: ControlPlane, cluster_id: str | None = None) -> list[ExaminedCluster]:
    """Return every cluster by its id, or the one with this id."""
    return control.fetch_all(ExaminedCluster, QUERIES["find_examined"], cluster_id=cluster_id)


def _examine(cluster: Cluster) -> _Examination:
    dbname = secrets.read(cluster.admin_secret_id, LOGIN).get("dbname", "postgres")
    with clusters.reading(cluster, dbname) as session:
        admin, found = clusters.find_admin(session), connections.find(session)
        facts = [
            *clusters.facts_of_admin(session, cluster, admin),
            *server.facts_of_connections(session, found, cluster.capacity),
            *server.facts(server.find(session)),
        ]
        if clusters.may_read_register(session, admin):
            with clusters.reading(cluster) as inside:
                try:
                    facts += clusters.facts_of_register(inside, cluster, admin)
                except (errors.UndefinedTable, errors.InsufficientPrivilege):
                    facts.append(clusters.fact_of_unreadable_register(cluster, admin))
        version = f"{session.server_version // 10000}.{session.server_version % 10000}"
        return _Examination(version, found, facts)
