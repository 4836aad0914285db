"""What the control plane and a cluster's register say about tenants."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from provisioning import queries
from provisioning.control_plane import Cluster, ControlPlane

QUERIES = queries.load(__file__)


class KnownTenant(NamedTuple):
    """A tenant as the control plane knows it."""

    tenant_id: str
    cluster_id: str
    state: str
    project_id: str | None
    job_id: str | None
    is_busy: bool
    """A job of it is running."""
    is_new: bool
    """What lists secrets may not know it yet."""
    is_overdue: bool
    refusal: str | None
    """Why the latest look at a removed one failed."""
    services: list[str]
    key_jobs: list[str]
    """The jobs that have made API keys of it."""
    unrevealed: list[str]
    """Those whose keys nobody has seen yet."""


class RegisteredTenant(NamedTuple):
    """A tenant as a cluster's register has it."""

    tenant_id: str
    control_plane_id: str
    job_id: str | None
    project_id: str | None
    state: str
    is_changing: bool

    @property
    def holder(self) -> str:
        """The holder, for display."""
        job = f"job {self.job_id}" if self.job_id is not None else "no job"
        project = f" for project {self.project_id}" if self.project_id is not None else ""
        return f"{job}{project} of control plane {self.control_plane_id}"


@dataclass
class Known:
    """What the control plane says: its id, the room on each cluster, a look at all its tenants, and its clusters."""

    control_plane_id: str
    rooms: dict[str, int]
    find_tenants: Callable[[], list[KnownTenant]]
    clusters: Sequence[Cluster] = ()
    seen: set[str] = field(default_factory=set)
    """Of which tenants a cluster or its register has anything."""
    examined: set[str] = field(default_factory=set)
    """The clusters that were examined to the end."""


def find_tenants(control: ControlPlane) -> list[KnownTenant]:
    """Return every tenant that is not gone. Raise ControlPlaneUnavailable."""
    return control.fetch_all(KnownTenant, QUERIES["find_tenants"])
