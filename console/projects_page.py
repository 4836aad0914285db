"""The page of all projects: status, tenant, services, the newest job, and a connection string without its password."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from console import formatting
from console.connection_string import connection_string, tls
from console.paging import PAGE_SIZE, address, asked, place_in
from console.setting import Setting
from console.view import Part, View
from provisioning import listing, overview
from provisioning.control_plane import ControlPlane
from provisioning.identity import TenantNames
from provisioning.jobs.declaration import JobType, ProjectStatus
from provisioning.listing import Place
from provisioning.overview import ProjectRow

PATH = "/projects"


@dataclass(frozen=True)
class Line:
    """One project in the list."""

    project: ProjectRow
    link: str
    job: str
    """The kind of its newest job, empty without one."""
    outcome: str
    job_link: str
    connection: str
    """Empty without a live tenant."""


def projects_page(setting: Setting, request: Request) -> View:
    """Return the page. Raise ConsoleError."""
    filters = {name: asked(request, name) for name in ("status", "search")}
    after = place_in(request)

    def read(control: ControlPlane) -> tuple[list[ProjectRow], dict[str, str]]:
        status, search = (filters[name] or None for name in ("status", "search"))
        found = overview.find_projects(control, PAGE_SIZE, status=status, search=search, after=after)
        known = [(one.job_id, one.job_status) for one in found[:PAGE_SIZE]]
        return found, listing.outcomes(control, known, setting.job_rows.describe)

    found, told = setting.sources.ledger.ask(read)
    lines = [_line(setting, one, told) for one in found[:PAGE_SIZE]]
    is_cut = len(found) > PAGE_SIZE
    listed = {
        "lines": lines,
        "filtered": any(filters.values()),
        "first": address(PATH, filters) if after else "",
        "older": address(PATH, filters, Place(found[PAGE_SIZE - 1].created_at, found[PAGE_SIZE - 1].project_id))
        if is_cut
        else "",
    }
    context = {
        "filters": filters,
        "statuses": {str(one): formatting.status_word(one).capitalize() for one in ProjectStatus},
        "starts_jobs": setting.starts_jobs,
    }
    return View("Projects", "projects", {"list": Part("projects", listed)}, context)


def connection_of(setting: Setting, tenant_id: str, host: str, port: int) -> str:
    """Return the connection string of a tenant's login, without its password."""
    names = TenantNames(tenant_id)
    hosts = [(one, port) for one in host.split(",")]
    return connection_string(hosts, names.login_role, names.database, tls(is_local=setting.is_local))


def _line(setting: Setting, one: ProjectRow, told: Mapping[str, str]) -> Line:
    connection = ""
    if one.tenant_id is not None and one.host is not None and one.port is not None:
        connection = connection_of(setting, one.tenant_id, one.host, one.port)
    link = f"{PATH}/{one.project_id}"
    if one.job_id is None or one.job_type is None:
        return Line(one, link, "", "", "", connection)
    words = formatting.type_words(JobType(one.job_type))
    return Line(one, link, words, told[one.job_id], setting.job_rows.link(one.job_type, one.job_id), connection)
