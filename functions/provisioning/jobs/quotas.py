"""What an organization may have: projects, jobs an hour and storage, decided where a job that adds some is opened."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import ControlPlaneUnavailable, OrganizationQuotaExceeded

QUERIES = queries.load(__file__)

Usage = Mapping[str, Sequence[int]]
"""What there is of each limited thing, and its limit."""

NAMES = {"projects": "projects", "jobs_an_hour": "jobs in the last hour", "storage_gb": "GB of storage"}
"""The limited things: the column of each limit, and what a person reads."""


class Excess(NamedTuple):
    """A limit that a job would exceed."""

    limited: str
    """One of NAMES."""
    used: int
    asked: int
    limit: int

    @property
    def text(self) -> str:
        """What the refusal says: the number and the limit, and nothing about the organization's other projects."""
        return (
            f"its organization has {self.used} {NAMES[self.limited]}, and {self.asked} more would exceed its limit of"
            f" {self.limit}"
        )


class _Found(NamedTuple):
    usage: dict[str, list[int]] | None


def check(usage: Usage | None, storage_gb: int | None) -> None:
    """Raise OrganizationQuotaExceeded if a job that adds a project with this storage would exceed a limit.

    `usage` is what control_plane.usage_beside() returns. Without it nobody knows whether there is room: raise
    ControlPlaneUnavailable.
    """
    excess = _excess(usage, storage_gb)
    if excess is not None:
        raise OrganizationQuotaExceeded(excess.text)


def find_excess(
    control: ControlPlane, organization_id: str, project_id: str | None, storage_gb: int | None
) -> Excess | None:
    """Return the limit that a job for the project would exceed if it opened now, None if there is none.

    This opens nothing and holds no lock: whether the job may open is decided when it opens. Raise
    ControlPlaneUnavailable.
    """
    return _excess(find_usage(control, organization_id, project_id), storage_gb)


def find_usage(control: ControlPlane, organization_id: str, project_id: str | None = None) -> Usage | None:
    """Return what an organization has beside the project, and its limits; its row is made if it has none."""
    sent = (QUERIES["record_organization"], QUERIES["find_usage"])
    found = control.fetch_one(_Found, *sent, organization_id=organization_id, project_id=project_id)
    return None if found is None else found.usage


def find_existing_usage(control: ControlPlane, organization_id: str, project_id: str) -> Usage | None:
    """Return what find_usage returns, or None for an organization that has no row yet. Nothing is written."""
    asked = {"organization_id": organization_id, "project_id": project_id}
    found = control.fetch_one(_Found, QUERIES["find_usage"], **asked)
    return None if found is None else found.usage


def limit(control: ControlPlane, organization_id: str, limits: Mapping[str, int | None]) -> None:
    """Change the given limits of an organization, and leave the others. What it has already stays."""
    given = {name: limits.get(name) for name in NAMES}
    control.execute(QUERIES["record_organization"], QUERIES["record_limits"], organization_id=organization_id, **given)


def _excess(usage: Usage | None, storage_gb: int | None) -> Excess | None:
    if usage is None:
        raise ControlPlaneUnavailable("the control plane gave no limits of the organization")
    asked = {"projects": 1, "jobs_an_hour": 1, "storage_gb": storage_gb or 0}
    return next(
        (
            Excess(name, usage[name][0], asked[name], usage[name][1])
            for name in NAMES
            if usage[name][0] + asked[name] > usage[name][1]
        ),
        None,
    )
