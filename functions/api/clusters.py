"""Clusters: list them, or get one, with what upkeep has last found wrong with each."""

from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel, Field

from provisioning import control_plane
from provisioning.examination import recording
from provisioning.examination.recording import ExaminedCluster
from provisioning.requests.refusals import ClusterNotFound

ClusterId = Annotated[str, Path(min_length=1, max_length=200)]


class Pool(BaseModel):
    """The tenants that are made before a project asks for one."""

    ready: int
    size: int | None = Field(description="How many are kept ready; null: the deployment's PoolSize.")


class ServerConnections(BaseModel):
    """The connections of a cluster's server."""

    maximum: int
    for_tenants: int = Field(description="Any tenant's login may take these.")
    kept_for_admin: int = Field(description="The admin may take these when tenants have taken all others.")


class Examination(BaseModel):
    """What upkeep has last found, about every ten minutes."""

    examined_at: datetime
    server_version: str | None = Field(description="Null if the server did not answer.")
    connections: ServerConnections | None
    findings: list[str] = Field(description="What is wrong; provision doctor says what mends it.")


class Cluster(BaseModel):
    """A PostgreSQL server that tenants live on."""

    cluster_id: str
    region: str
    engine: str
    version: str = Field(description="As it was added: what a payload asks for.")
    size: str
    host: str
    port: int
    capacity: int
    room: int = Field(description="How many more projects' tenants it can take.")
    pool: Pool
    examination: Examination | None = Field(description="Null until the first one.")


class Clusters(BaseModel):
    """The clusters, by their ids."""

    clusters: list[Cluster]


def list_clusters() -> Clusters:
    """Return every cluster with its room, its pool and its last examination. Nothing is examined now."""
    return Clusters(clusters=[_cluster(one) for one in recording.find(control_plane.connect())])


def get_cluster(cluster_id: ClusterId) -> Cluster:
    """Return a cluster with its room, its pool and its last examination. Nothing is examined now."""
    for one in recording.find(control_plane.connect(), cluster_id):
        return _cluster(one)
    raise ClusterNotFound(f"there is no cluster {cluster_id}")


def _cluster(one: ExaminedCluster) -> Cluster:
    return Cluster(
        cluster_id=one.cluster_id,
        region=one.region,
        engine=one.engine,
        version=one.version,
        size=one.size,
        host=one.host,
        port=one.port,
        capacity=one.capacity,
        room=one.room,
        pool=Pool(ready=one.ready, size=one.pool_size),
        examination=_examination(one),
    )


def _examination(one: ExaminedCluster) -> Examination | None:
    if one.examined_at is None:
        return None
    found = one.connections
    return Examination(
        examined_at=one.examined_at,
        server_version=one.server_version,
        connections=ServerConnections(
            maximum=found["maximum"], for_tenants=found["ordinary"], kept_for_admin=found["kept"]
        )
        if found is not None
        else None,
        findings=one.findings or [],
    )
