"""Projects: list them, get one, and list the API keys of one. Never a secret, and no secret's ARN."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, Field

from api.pages import USUAL_PAGE, Cursor, Limit, Next, cursor_of, page, place_of
from provisioning import control_plane, listing, lookup
from provisioning.errors import ProjectNotFound
from provisioning.jobs import executions
from provisioning.listing import ListedProject, Place
from provisioning.lookup import Holdings, TenantOverview

HELD = ("making", "claimed", "active", "suspended")
"""The states of a tenant that a project has, or is getting."""

ProjectId = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Status = Annotated[
    str | None, Query(pattern="^[a-z_]{1,40}$", description="Only those in this status, such as active or failed.")
]


class CurrentJob(BaseModel):
    """The job that last changed the project's status."""

    job_id: str
    status: str


class ProjectSummary(BaseModel):
    """A project in a list."""

    project_id: str
    organization_id: str
    owner_id: str
    region: str
    status: str
    is_protected: bool = Field(description="Whether no job opens that may remove the tenant.")
    tenant_id: str | None = Field(description="Of the tenant in use or suspended.")
    job: CurrentJob | None
    created_at: datetime
    updated_at: datetime


class ProjectPage(BaseModel):
    """A page of projects, the newest first."""

    projects: list[ProjectSummary]
    next_cursor: Next


class Tenant(BaseModel):
    """A project's tenant: one that is in use, suspended or being made."""

    tenant_id: str
    state: str
    cluster_id: str
    host: str
    port: int
    database: str
    created_at: datetime


class ServiceRegistration(BaseModel):
    """A service that the tenant is registered with, or is being registered with."""

    service: str
    status: str
    endpoint: str | None


class Project(BaseModel):
    """A project with its tenant, its services and its job."""

    project_id: str
    organization_id: str
    owner_id: str
    region: str
    status: str
    is_protected: bool = Field(description="Whether no job opens that may remove the tenant.")
    tenant: Tenant | None
    services: list[ServiceRegistration]
    job: CurrentJob | None
    created_at: datetime
    updated_at: datetime


class ApiKey(BaseModel):
    """What may be shown of an API key."""

    key_id: str
    kind: str
    prefix: str
    hint: str = Field(description="The last four characters of the raw key.")
    created_at: datetime
    revealed_at: datetime | None


class ApiKeys(BaseModel):
    """The API keys of a project, the oldest first."""

    api_keys: list[ApiKey]


def list_projects(status: Status = None, limit: Limit = USUAL_PAGE, cursor: Cursor = None) -> ProjectPage:
    """Return the projects, the newest first."""
    control = control_plane.connect()
    found = listing.find_projects(control, limit, status=status, after=place_of(cursor))
    rows, is_cut = page(found, limit)
    following = cursor_of(Place(rows[-1].created_at, rows[-1].project_id)) if is_cut else None
    told = listing.outcomes(control, ((row.job_id, row.job_status) for row in rows), executions.describe_if_possible)
    return ProjectPage(projects=[_summary(row, told) for row in rows], next_cursor=following)


def get_project(project_id: ProjectId) -> Project:
    """Return a project with its tenant, its services, its status and the job that last changed it."""
    found = _find(project_id)
    tenant = next((one for one in found.tenants if one.state in HELD), None)
    known = found.project
    told = listing.outcomes(
        control_plane.connect(), [(known.job_id, known.job_status)], executions.describe_if_possible
    )
    return Project(
        project_id=known.project_id,
        organization_id=known.organization_id,
        owner_id=known.owner_id,
        region=known.region,
        status=known.status,
        is_protected=known.is_protected,
        tenant=_tenant(tenant) if tenant else None,
        services=_services(found, tenant.tenant_id) if tenant else [],
        job=_job(known.job_id, told),
        created_at=known.created_at,
        updated_at=known.updated_at,
    )


def list_api_keys(project_id: ProjectId) -> ApiKeys:
    """Return what may be shown of a project's API keys, and when their raw text was revealed."""
    keys = [ApiKey.model_validate(key, from_attributes=True) for key in _find(project_id).api_keys]
    return ApiKeys(api_keys=keys)


def _find(project_id: str) -> Holdings:
    found = lookup.find_project(control_plane.connect(), project_id)
    if found is None:
        raise ProjectNotFound(f"there is no project {project_id}")
    return found


def _summary(row: ListedProject, told: Mapping[str, str]) -> ProjectSummary:
    return ProjectSummary(
        project_id=row.project_id,
        organization_id=row.organization_id,
        owner_id=row.owner_id,
        region=row.region,
        status=row.status,
        is_protected=row.is_protected,
        tenant_id=row.tenant_id,
        job=_job(row.job_id, told),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _job(job_id: str | None, told: Mapping[str, str]) -> CurrentJob | None:
    return CurrentJob(job_id=job_id, status=told[job_id]) if job_id is not None and job_id in told else None


def _tenant(tenant: TenantOverview) -> Tenant:
    return Tenant(
        tenant_id=tenant.tenant_id,
        state=tenant.state,
        cluster_id=tenant.cluster_id,
        host=tenant.host,
        port=tenant.port,
        database=tenant.names.database,
        created_at=tenant.created_at,
    )


def _services(found: Holdings, tenant_id: str) -> list[ServiceRegistration]:
    return [
        ServiceRegistration(service=one.service, status=one.status, endpoint=one.endpoint)
        for one in found.registrations
        if one.tenant_id == tenant_id
    ]
