"""What decides whether a job may be opened, and on which cluster: for "Verify project", and for a plan."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import (
    ClusterFull,
    JobInProgress,
    OrganizationQuotaExceeded,
    PlanStale,
    ProjectNotEligible,
    ProjectProtected,
    RegionNotAvailable,
)
from provisioning.jobs.declaration import Declaration, JobPayload
from provisioning.jobs.payload import Placement

QUERIES = queries.load(__file__)
MOST_PLACES = 4
"""How many regions a refusal lists, so that its message stays within a line of an ending."""
CHANGED = (
    ClusterFull,
    JobInProgress,
    OrganizationQuotaExceeded,
    ProjectNotEligible,
    ProjectProtected,
    RegionNotAvailable,
)
"""Refusals by what may have changed since a job was planned."""


class Opening(NamedTuple):
    """What decides whether a job may be opened."""

    project: dict[str, Any] | None
    opened: dict[str, Any] | None
    running: str | None
    clusters: list[dict[str, Any]]
    usage: dict[str, list[int]] | None


class _Place(NamedTuple):
    place: str


def facts(declared: Declaration, payload: JobPayload, job_id: str) -> dict[str, object]:
    """Return the parameters of the query find_opening."""
    return {
        "project_id": payload.project_id,
        "job_id": job_id,
        "excludes": declared.excludes(payload.project_id),
        "adds": declared.adds,
        **payload.placement._asdict(),
    }


def check_room(control: ControlPlane, matching: Sequence[Mapping[str, Any]], wanted: Placement) -> None:
    """Raise RegionNotAvailable or ClusterFull unless the first of the matching clusters, by their room, has some."""
    if not matching:
        places = control.fetch_all(_Place, QUERIES["find_places"], **wanted._asdict())
        elsewhere = "; ".join(one.place for one in places[:MOST_PLACES])
        more = f"; and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else ""
        raise RegionNotAvailable(
            f"no cluster in {wanted.region} offers {wanted.engine} {wanted.version} as {wanted.size}:"
            f" {f'there is {elsewhere}{more}' if places else 'there is no cluster'}"
        )
    if matching[0]["room"] <= 0:
        raise ClusterFull(f"every cluster for {wanted.engine} {wanted.version} in {wanted.region} is full")


@contextmanager
def as_planned(plan_id: str | None) -> Iterator[None]:
    """Raise PlanStale in place of a refusal by what has changed, for a job that has a plan."""
    try:
        yield
    except CHANGED as error:
        if plan_id is None:
            raise
        stale = PlanStale(f"{error}, so the plan no longer holds")
        stale.job_id = getattr(error, "job_id", None)
        raise stale from error
