"""Print a project's resources, and a tenant's owner."""

from rich.console import Console
from rich.table import Table

from cli.output import Facts, show
from console.formatting import date_and_clock
from local.errors import HumanError, NotFound
from provisioning import control_plane, lookup
from provisioning.jobs.executions import describe_if_possible
from provisioning.listing import outcomes
from provisioning.lookup import ApiKeyOverview, Holdings, ProjectOverview, TenantOverview


def print_project(project_id: str, console: Console) -> None:
    """Print a project with its job, tenants, registrations and API keys. Raise HumanError for an unknown one."""
    found = lookup.find_project(control_plane.connect(), project_id)
    if found is None:
        raise NotFound(f"the control plane knows no project {project_id}")
    table = _facts()
    _add_project(table, found.project)
    if not found.tenants:
        table.add_row("Tenant", "none")
    for tenant in found.tenants:
        _add_tenant(table, tenant, found)
    console.print(table)


def print_owner(name: str, console: Console, *, as_json: bool = False) -> None:
    """Print a tenant's owner, given its id or a name that contains it. Raise HumanError for an unknown tenant."""
    if not lookup.tenant_ids_in(name):
        raise HumanError(f"{name} contains no tenant id: a tenant id is 20 letters a-z")
    found = lookup.find_owner(control_plane.connect(), name)
    if found is None:
        raise NotFound(f"the control plane knows no tenant {', '.join(lookup.tenant_ids_in(name))}")
    facts = [
        ("Tenant", f"{found.tenant_id}, {found.state}"),
        ("Project", found.project_id or ("none: ready for one" if found.state == "ready" else "none")),
        ("Organization", found.organization_id),
        ("Owner", found.owner_id),
        ("Job", _job(found.job_id, found.job_status)),
        ("Cluster", f"{found.cluster_id}, {found.host}:{found.port}"),
    ]
    show(found, Facts(facts), as_json=as_json, out=console)


def _facts() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    return table


def _job(job_id: str | None, status: str | None) -> str:
    if job_id is None or status is None:
        return job_id or "none"
    return f"{job_id}, {outcomes(control_plane.connect(), [(job_id, status)], describe_if_possible)[job_id]}"


def _add_project(table: Table, project: ProjectOverview) -> None:
    table.add_row("Project", f"{project.project_id} in {project.region}, {project.status}")
    table.add_row("Organization", project.organization_id)
    table.add_row("Owner", project.owner_id)
    table.add_row("Job", _job(project.job_id, project.job_status))


def _add_tenant(table: Table, tenant: TenantOverview, found: Holdings) -> None:
    due = f", next look due at {date_and_clock(tenant.look_again_at)}" if tenant.look_again_at else ""
    table.add_section()
    table.add_row("Tenant", f"{tenant.tenant_id}, {tenant.state}{due}")
    table.add_row("Cluster", f"{tenant.cluster_id}, {tenant.host}:{tenant.port}")
    table.add_row("Database", tenant.names.database)
    table.add_row("Roles", f"{tenant.names.owner_role}, {tenant.names.login_role}")
    table.add_row("Secret", tenant.names.secret)
    table.add_row("", tenant.secret_arn or "not confirmed")
    for one in found.registrations:
        if one.tenant_id == tenant.tenant_id:
            table.add_row(
                one.service.capitalize(), f"{one.tenant_id} at {one.endpoint}" if one.endpoint else one.status
            )
    for key in found.api_keys:
        if key.tenant_id == tenant.tenant_id:
            table.add_row("API key", f"{key.kind}, {key.prefix}_{key.kind}_...{key.hint}, {revealed(key)}")


def revealed(key: ApiKeyOverview) -> str:
    """Return whether and when the key's raw text was revealed."""
    return f"revealed {date_and_clock(key.revealed_at)}" if key.revealed_at is not None else "not revealed"
