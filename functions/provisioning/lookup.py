"""Look up a project's resources, and a tenant's owner, in the control plane: ids and references, never a secret."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.identity import LENGTH, TenantNames
from provisioning.jobs.declaration import JobType

QUERIES = queries.load(__file__)
TENANT_ID = re.compile(rf"(?<![a-z])[a-z]{{{LENGTH}}}(?![a-z])")


class ProjectOverview(NamedTuple):
    """A project, with the job that last changed its status."""

    project_id: str
    organization_id: str
    owner_id: str
    region: str
    status: str
    is_protected: bool
    created_at: datetime
    updated_at: datetime
    job_id: str | None
    job_type: JobType | None
    job_status: str | None


class KnownJob(NamedTuple):
    """A job with its payload, which is None if it was refused."""

    job_id: str
    job_type: JobType
    status: str
    payload: dict[str, Any] | None


class TenantOverview(NamedTuple):
    """A tenant of a project. A removed one is due for another look until everything of it is gone."""

    tenant_id: str
    state: str
    cluster_id: str
    host: str
    port: int
    secret_arn: str | None
    job_id: str | None
    look_again_at: datetime | None
    created_at: datetime

    @property
    def names(self) -> TenantNames:
        """The names of everything that belongs to the tenant."""
        return TenantNames(self.tenant_id)


class RegistrationOverview(NamedTuple):
    """A registration; the external id is the tenant_id."""

    tenant_id: str
    service: str
    status: str
    endpoint: str | None


class ApiKeyOverview(NamedTuple):
    """What may be shown of an API key, and when its raw text was revealed."""

    key_id: str
    tenant_id: str
    kind: str
    prefix: str
    hint: str
    created_at: datetime
    revealed_at: datetime | None


class SigningTenant(NamedTuple):
    """A tenant whose secret signs its project's tokens."""

    tenant_id: str
    secret_arn: str | None
    created_at: datetime


class Owner(NamedTuple):
    """The owner of a tenant."""

    tenant_id: str
    state: str
    cluster_id: str
    host: str
    port: int
    job_id: str | None
    job_status: str | None
    project_id: str | None
    organization_id: str | None
    owner_id: str | None


@dataclass(frozen=True)
class Holdings:
    """A project with everything that the control plane knows about it."""

    project: ProjectOverview
    tenants: list[TenantOverview]
    registrations: list[RegistrationOverview]
    api_keys: list[ApiKeyOverview]


class _TenantId(NamedTuple):
    tenant_id: str


def find_project(control: ControlPlane, project_id: str) -> Holdings | None:
    """Return a project with its tenants that are not gone, or None for an unknown one."""
    project = control.fetch_one(ProjectOverview, QUERIES["find_project"], project_id=project_id)
    if project is None:
        return None
    tenants = control.fetch_all(TenantOverview, QUERIES["find_tenants_of_project"], project_id=project_id)
    asked = [tenant.tenant_id for tenant in tenants]
    registrations = control.fetch_all(RegistrationOverview, QUERIES["find_registrations"], tenant_ids=asked)
    return Holdings(project, tenants, registrations, find_api_keys(control, project_id))


def find_job(control: ControlPlane, job_id: str) -> KnownJob | None:
    """Return a job with its type and payload, or None for an unknown one."""
    return control.fetch_one(KnownJob, QUERIES["find_job"], job_id=job_id)


def find_api_keys(control: ControlPlane, project_id: str) -> list[ApiKeyOverview]:
    """Return the API keys of a project's tenants, the oldest first."""
    return control.fetch_all(ApiKeyOverview, QUERIES["find_api_keys"], project_id=project_id)


def find_signing_tenant(control: ControlPlane, project_id: str) -> SigningTenant | None:
    """Return the tenant of a project that is in use or suspended, or None."""
    return control.fetch_one(SigningTenant, QUERIES["find_signing_tenant"], project_id=project_id)


def find_owner(control: ControlPlane, name: str) -> Owner | None:
    """Return the owner of the tenant whose id a name contains: a database, a role, a secret, or the id itself."""
    return next(iter(control.fetch_all(Owner, QUERIES["find_owners"], tenant_ids=tenant_ids_in(name))), None)


def find_known(control: ControlPlane, tenant_ids: Collection[str]) -> set[str]:
    """Return which of the tenants the control plane knows, in any state."""
    return {row.tenant_id for row in control.fetch_all(_TenantId, QUERIES["find_known"], tenant_ids=list(tenant_ids))}


def tenant_ids_in(name: str) -> list[str]:
    """Return what may be a tenant_id in a name: 20 letters a-z between other characters."""
    return TENANT_ID.findall(name)
