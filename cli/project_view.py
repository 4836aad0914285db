"""Print a project with all that it has, and its API keys."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from cli.api_client import Api, segment
from cli.listing import moment
from cli.output import Facts, Note, Rows, show
from local.errors import NotFound
from provisioning.identity import TenantNames


def print_project(api: Api, project: dict[str, Any], console: Console, *, as_json: bool = False) -> None:
    """Print a project with its job, its tenant, its registrations and its API keys. Never a secret's value."""
    keys = find_keys(api, project["project_id"])
    document = project | {"api_keys": keys}
    if (tenant := project["tenant"]) is not None:
        names = TenantNames(tenant["tenant_id"])
        document["tenant"] = tenant | {"roles": [names.owner_role, names.login_role]}
    show(document, Facts(_facts(project, keys)), as_json=as_json, out=console)


def print_keys(api: Api, project_id: str, console: Console, *, as_json: bool = False) -> None:
    """List what may be shown of a project's keys. Raise HumanError when there are none."""
    keys = find_keys(api, project_id)
    if not keys:
        raise NotFound(f"the project {project_id} has no API keys")
    rows = [(key["key_id"], key["kind"], key["hint"], moment(key["created_at"]), revealed(key)) for key in keys]
    is_new = any(key["revealed_at"] is None for key in keys)
    shown = "They have been revealed, and are shown only once."
    once = "--reveal shows the keys themselves, once." if is_new else shown
    table = Rows(("Key", "Kind", "Ends in", "Created", "Raw key"), rows)
    show({"api_keys": keys}, table, Note(once), as_json=as_json, out=console)


def find_keys(api: Api, project_id: str) -> list[dict[str, Any]]:
    """Return what may be shown of a project's API keys, the oldest first."""
    found: list[dict[str, Any]] = api.get(f"/v1/projects/{segment(project_id)}/api-keys")["api_keys"]
    return found


def revealed(key: dict[str, Any]) -> str:
    """Return whether and when the key's raw text was revealed."""
    return f"revealed {moment(key['revealed_at'])}" if key["revealed_at"] else "not revealed"


def _facts(project: dict[str, Any], keys: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    job, tenant = project["job"], project["tenant"]
    protected = ", protected" if project["is_protected"] else ""
    yield "Project", f"{project['project_id']} in {project['region']}, {project['status']}{protected}"
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
