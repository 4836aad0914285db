"""The page of a project with its tenant, and of a tenant: what it consists of, its jobs, and what can be started."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request

from console import formatting
from console.addresses import page_link
from console.ledger import can_be_stored
from console.paging import PAGE_SIZE
from console.projects_page import connection_of
from console.setting import Setting
from console.view import Part, View
from provisioning import lookup, overview
from provisioning.control_plane import ControlPlane
from provisioning.identity import TenantNames
from provisioning.jobs.registry import DECLARATIONS
from provisioning.lookup import Holdings, ProjectOverview
from provisioning.overview import TenantRow, Wanted

USED = ("active", "suspended")


@dataclass(frozen=True)
class Offer:
    """A job that the project's status lets open."""

    words: str
    summary: str
    link: str
    """Empty where no job can be started."""
    command: str
    removes: bool


def project_page(setting: Setting, request: Request) -> View:
    """Return the page of a project with its tenant in use, if it has one. Raise ConsoleError or HTTPException."""
    project_id = _named(request, "project_id")

    def read(control: ControlPlane) -> tuple[Holdings, TenantRow | None]:
        held = lookup.find_project(control, project_id)
        if held is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return held, overview.find_tenant(control, held.tenants[0].tenant_id) if held.tenants else None

    held, tenant = setting.sources.ledger.ask(read)
    return _view(setting, held, tenant)


def tenant_page(setting: Setting, request: Request) -> View:
    """Return the page of a tenant, with its project's if it has one. Raise ConsoleError or HTTPException."""
    tenant_id = _named(request, "tenant_id")

    def read(control: ControlPlane) -> tuple[Holdings | None, TenantRow]:
        tenant = overview.find_tenant(control, tenant_id)
        if tenant is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return lookup.find_project(control, tenant.project_id) if tenant.project_id else None, tenant

    held, tenant = setting.sources.ledger.ask(read)
    return _view(setting, held, tenant)


def _named(request: Request, name: str) -> str:
    found = str(request.path_params[name])
    if not can_be_stored(found):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return found


def _view(setting: Setting, held: Holdings | None, tenant: TenantRow | None) -> View:
    project = held.project if held is not None else None
    rows, is_cut = (
        setting.job_rows.find(Wanted(project_id=project.project_id), PAGE_SIZE) if project is not None else ([], False)
    )
    title = project.project_id if project is not None else tenant.tenant_id if tenant is not None else ""
    parts = {
        "title": Part("tenant_title", {"project": project, "tenant": tenant}),
        "tenant": Part("tenant", _tenant(setting, held, tenant)),
        "jobs": Part("tenant_jobs", {"rows": rows, "is_cut": is_cut, "project": project}),
        "offers": Part("offers", {"offers": _offers(setting, project)}),
    }
    return View(title, "tenant", parts)


def _tenant(setting: Setting, held: Holdings | None, tenant: TenantRow | None) -> Mapping[str, object]:
    if tenant is None:
        return {"tenant": None, "names": None, "connection": "", "registrations": [], "keys": [], "others": []}
    names = TenantNames(tenant.tenant_id)
    is_used = tenant.state in USED
    return {
        "tenant": tenant,
        "cluster": page_link("clusters", tenant.cluster_id),
        "names": names,
        "connection": connection_of(setting, tenant.tenant_id, tenant.host, tenant.port) if is_used else "",
        "registrations": [one for one in held.registrations if one.tenant_id == tenant.tenant_id] if held else [],
        "keys": [one for one in held.api_keys if one.tenant_id == tenant.tenant_id] if held else [],
        "others": [one for one in held.tenants if one.tenant_id != tenant.tenant_id] if held else [],
    }


def _offers(setting: Setting, project: ProjectOverview | None) -> list[Offer]:
    if project is None:
        return []
    return [
        Offer(
            words=formatting.type_words(job_type),
            summary=declared.summary,
            link=f"/start/{job_type}?{urlencode({'project_id': project.project_id})}" if setting.starts_jobs else "",
            command=declared.command.replace("PROJECT", project.project_id),
            removes=declared.removes_tenant,
        )
        for job_type, declared in DECLARATIONS.items()
        if project.status in declared.opens_in and not (declared.removes_tenant and project.is_protected)
    ]
