"""The commands that show and change what an organization may have."""

from typing import Annotated

import typer

from cli import completing
from cli.command_line import DEFAULT_STATE, StateDirectory, StateMachine, use_deployment
from cli.output import AsJson, Rows
from cli.output import show as show_data
from local.errors import HumanError

MOST = 2**31 - 1
"""The largest limit that the control plane can store."""

Organization = Annotated[str, typer.Argument(metavar="ORGANIZATION", autocompletion=completing.organizations)]

app = typer.Typer(no_args_is_help=True, help="What an organization may have.")


@app.command()
def show(
    organization: Organization,
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what an organization has and its limits, which are the defaults if it has had no job yet."""
    use_deployment(state_dir, state_machine)
    _print(organization, as_json=as_json)


@app.command("set")
def limit(
    organization: Organization,
    projects: Annotated[int | None, typer.Option(min=0, max=MOST, help="Projects with a tenant.")] = None,
    jobs_an_hour: Annotated[int | None, typer.Option(min=0, max=MOST, help="Jobs that add a project.")] = None,
    storage_gb: Annotated[int | None, typer.Option(min=0, max=MOST, help="Sum over the projects' payloads.")] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Change limits of an organization. What is not given stays as it is; a lower limit removes nothing."""
    limits = {"projects": projects, "jobs_an_hour": jobs_an_hour, "storage_gb": storage_gb}
    if all(value is None for value in limits.values()):
        raise HumanError("nothing to change: give --projects, --jobs-an-hour or --storage-gb")
    from provisioning import control_plane
    from provisioning.jobs import quotas

    use_deployment(state_dir, state_machine)
    quotas.limit(control_plane.connect(), organization, limits)
    _print(organization, as_json=as_json)


def _print(organization: str, *, as_json: bool) -> None:
    from provisioning import control_plane
    from provisioning.jobs import quotas

    usage = quotas.find_usage(control_plane.connect(), organization) or {}
    document = {
        "organization_id": organization,
        "limits": {name: {"used": used, "limit": most} for name, (used, most) in usage.items()},
    }
    rows = [(quotas.NAMES[name], used, most) for name, (used, most) in usage.items()]
    show_data(document, Rows(("", "Used", "Limit"), rows), as_json=as_json)
