"""Print a tenant's owner."""

from rich.console import Console

from cli.output import Facts, show
from local.errors import HumanError, NotFound
from provisioning import control_plane, lookup
from provisioning.jobs.executions import describe_if_possible
from provisioning.listing import outcomes


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


def _job(job_id: str | None, status: str | None) -> str:
    if job_id is None or status is None:
        return job_id or "none"
    return f"{job_id}, {outcomes(control_plane.connect(), [(job_id, status)], describe_if_possible)[job_id]}"
