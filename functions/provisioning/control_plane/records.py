"""What the control plane knows, as typed records."""

from typing import NamedTuple


class Cluster(NamedTuple):
    """A PostgreSQL server that tenants live on. Capacity is a number of databases."""

    cluster_id: str
    region: str
    engine: str
    version: str
    size: str
    host: str
    port: int
    admin_secret_id: str
    capacity: int


class Project(NamedTuple):
    """A customer's project."""

    project_id: str
    organization_id: str
    owner_id: str
    region: str


class Identity(NamedTuple):
    """Which control plane this is, for the registers of its clusters."""

    control_plane_id: str


class Added(NamedTuple):
    """A row that did not exist before."""

    project_id: str
