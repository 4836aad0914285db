"""Print a project with all that it has, and its API keys."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.api_client import Api, segment
from cli.listing import moment
from local.errors import HumanError
from provisioning.identity import TenantNames


def print_project(api: Api, project: dict[str, Any], console: Console) -> None:
    """Print a project with its job, its tenant, its registrations and its API keys. Never a secret's value."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for row in _facts(project, find_keys(api, project["project_id"])):
        table.add_row(*row)
    console.print(table)


def print_keys(api: Api, project_id: str, console: Console) -> None:
    """List what may be shown of a project's keys. Raise HumanError when there are none."""
    keys = find_keys(api, project_id)
    if not keys:
        raise HumanError(f"the project {project_id} has no API keys")
    table = Table("Key", "Kind", "Ends in", "Created", "Raw key", box=None, pad_edge=False, header_style="dim")
    for key in keys:
        table.add_row(key["key_id"], key["kind"], key["hint"], moment(key["created_at"]), revealed(key))
    console.print(table)
    if any(key["revealed_at"] is None for key in keys):
        console.print("--reveal shows the keys themselves, once.", style="dim")
    else:
        console.print("They have been revealed, and are shown only once.", style="dim")


def find_keys(api: Api, project_id: str) -> list[dict[str, Any]]:
    """Return what may be shown of a project's API keys, the oldest first."""
    found: list[dict[str, Any]] = api.get(f"/v1/projects/{segment(project_id)}/api-keys")["api_keys"]
    return found


def revealed(key: dict[str, Any]) -> str:
    """Return whether and when the key's raw text was revealed."""
    return f"revealed {moment(key['revealed_at'])}" if key["revealed_at"] else "not revealed"


def _facts(project: dict[str, Any], keys: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    job, tenant = project["job"], project["tenant"]
    yield "Project", f"{project['project_id']} in {project['region']}, {project['status']}"
    yield "Organization", project["organization_id"]
    yield "Owner", project["owner_id"]
    yield "Job", f"{job['job_id']}, {job['status']}" if job else "none"
    if tenant is None:
        yield "Tenant", "none"
        return
    names = TenantNames(tenant["tenant_id"])
    yield "Tenant", f"{tenant['tenant_id']}, {tenant['state']}"
    yield "Cluster", f"{tenant['cluster_id']}, {tenant['host']}:{tenant['port']}"
    yield "Database", tenant["database"]
    yield "Roles", f"{names.owner_role}, {names.login_role}"
    for one in project["services"]:
        where = f"{tenant['tenant_id']} at {one['endpoint']}" if one["endpoint"] else one["status"]
        yield one["service"].capitalize(), where
    for key in keys:
        yield "API key", f"{key['kind']}, {key['prefix']}_{key['kind']}_...{key['hint']}, {revealed(key)}"
