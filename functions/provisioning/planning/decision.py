"""What a job would be given if it opened now, and what it has been given when it opens: the same facts."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import PlanStale
from provisioning.jobs import opening, quotas
from provisioning.jobs.declaration import Declaration, JobPayload, ProjectStatus, TenantOf
from provisioning.jobs.eligibility import check_eligible
from provisioning.jobs.opening import Opening
from provisioning.jobs.quotas import Usage
from provisioning.queries import Query
from provisioning.stage import Service
from provisioning.tenant import schema

QUERIES = queries.load(__file__)


class Source(StrEnum):
    """Where the job's tenant comes from."""

    POOL = "pool"
    """Its cluster keeps it ready."""
    NEW = "new"
    """The job makes it, under an id that is drawn when the job opens."""
    PROJECT = "project"
    """It is the project's."""


class Decision(NamedTuple):
    """What a job is given. Everything else that it does follows from this, the code and the settings."""

    declared: Declaration
    payload: JobPayload
    status_on_failure: str
    """The project's, if the job fails."""
    cluster_id: str
    source: Source
    tenant_id: str | None
    """None for a tenant that the job makes."""
    services: tuple[Service, ...]
    """Those that are wanted, or that the project's tenant is registered with."""


class _Next(NamedTuple):
    tenant_id: str


class _Given(NamedTuple):
    tenant_id: str
    cluster_id: str
    state: str
    services: list[str]


class Room(NamedTuple):
    """A cluster, and how many more tenants it can take."""

    cluster_id: str
    region: str
    engine: str
    version: str
    size: str
    room: int


def decide(control: ControlPlane, declared: Declaration, payload: JobPayload, found: Opening) -> Decision:
    """Return what a job would be given now. Raise what it would be refused with, or would have to wait for.

    An organization without a row has the limits of a new one, which are not looked at here. The project of a job that
    adds something need not exist if the payload says whose it is: it is then to be created.
    """
    project = found.project or _new_project(declared, payload)
    status_on_failure = check_eligible(declared, payload, project, found.running)
    usage: Usage | None = found.usage
    if found.project is None:
        usage = quotas.find_existing_usage(control, str(payload.organization_id), payload.project_id)
    if declared.adds and usage is not None:
        quotas.check(usage, payload.storage_gb)
    given = Decision(declared, payload, str(declared.on_failure or status_on_failure), "", Source.PROJECT, None, ())
    if declared.tenant is TenantOf.PROJECT:
        live = control.fetch_one(_Given, QUERIES["find_live"], project_id=payload.project_id)
        return _given(given, live)
    opening.check_room(control, found.clusters, payload.placement)
    cluster_id = str(found.clusters[0]["cluster_id"])
    asked = {"cluster_id": cluster_id, "fingerprint": schema.fingerprint()}
    ready = control.fetch_one(_Next, QUERIES["find_next"], **asked)
    tenant_id = None if ready is None else ready.tenant_id
    return given._replace(
        cluster_id=cluster_id,
        source=Source.NEW if ready is None else Source.POOL,
        tenant_id=tenant_id,
        services=wanted(declared, payload),
    )


def taken(
    control: ControlPlane,
    declared: Declaration,
    payload: JobPayload,
    status_on_failure: str,
    claimed: Sequence[Query],
    facts: dict[str, object],
) -> Decision:
    """Send the queries with which a job claims what it is given, and return that. Raise PlanStale if it got no tenant.

    They belong to a transaction, which the caller commits only if the job has the plan that it was started with.
    """
    given = Decision(declared, payload, str(declared.on_failure or status_on_failure), "", Source.PROJECT, None, ())
    found = control.fetch_one(_Given, *claimed, QUERIES["find_taken"], **facts)
    if declared.tenant is TenantOf.PROJECT or found is None:
        return _given(given, found)
    is_new = found.state == "making"
    return given._replace(
        cluster_id=found.cluster_id,
        source=Source.NEW if is_new else Source.POOL,
        tenant_id=None if is_new else found.tenant_id,
        services=wanted(declared, payload),
    )


def find_rooms(control: ControlPlane) -> list[Room]:
    """Return every cluster, the one with the most room first."""
    return control.fetch_all(Room, QUERIES["find_rooms"])


def wanted(declared: Declaration, payload: JobPayload) -> tuple[Service, ...]:
    """Return the services that the job registers its tenant with."""
    return tuple(one for one in Service if one.stage in declared.states and one.stage not in payload.skipped)


def _given(given: Decision, found: _Given | None) -> Decision:
    if found is None:
        raise PlanStale("the project has no live tenant any more")
    services = tuple(Service(one) for one in found.services)
    return given._replace(cluster_id=found.cluster_id, tenant_id=found.tenant_id, services=services)


def _new_project(declared: Declaration, payload: JobPayload) -> dict[str, object] | None:
    if not declared.adds or payload.organization_id is None or payload.owner_id is None:
        return None
    return {
        "organization_id": payload.organization_id,
        "owner_id": payload.owner_id,
        "region": payload.placement.region,
        "status": str(ProjectStatus.CREATED),
        "is_protected": False,
        "tenant_id": None,
        "job": None,
    }
