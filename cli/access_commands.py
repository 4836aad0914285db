"""The commands for a project's own clients: url, psql and env. They read its secret with the caller's rights."""

import shlex
from typing import Annotated

import typer

from cli.api_client import Api
from cli.api_target import with_api
from cli.jobs import ProjectOfJob
from cli.output import AsJson, show

Arguments = Annotated[list[str] | None, typer.Argument(metavar="[-- ARGUMENTS]", help="Of psql, such as -c SQL.")]


@with_api
def url(
    project: ProjectOfJob,
    *,
    password: Annotated[bool, typer.Option("--password/--no-password", help="With the password.")] = True,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """Print the connection string of a project's database, with its password."""
    from cli import names, tenant_access

    project_id = names.project_of(api, project)
    found = tenant_access.find(api, project_id).url(with_password=password)
    show({"project_id": project_id, "url": found}, found, as_json=as_json)


@with_api
def psql(
    project: ProjectOfJob,
    arguments: Arguments = None,
    *,
    via: Annotated[
        str | None,
        typer.Option(metavar="INSTANCE", help="Forward a port through it, by Session Manager; its id, as i-0123."),
    ] = None,
    api: Api,
) -> None:
    """Run psql on a project's database, as its owner. The exit code is psql's.

    The password goes to psql in its environment, never in an argument.
    """
    from cli import api_aws, names, tenant_access
    from cli import psql as client
    from local.errors import Conflict

    project_id = names.project_of(api, project)
    access = tenant_access.find(api, project_id)
    if access.project["tenant"]["state"] == "suspended":
        raise Conflict(f"the project {project_id} is suspended: provision resume {project_id} opens its database")
    if via is None:
        client.run(access, arguments or [])
    raise typer.Exit(client.run_via(access, arguments or [], via, api_aws.variables(api)))


@with_api
def env(project: ProjectOfJob, *, as_json: AsJson = False, api: Api) -> None:
    """Print what a project's application needs, for `eval`: DATABASE_URL, its tokens and its services' addresses.

    The password and the tokens are among it. SERVICE_ROLE_JWT passes row level security by: keep it on servers.
    """
    from cli import names, tenant_access

    access = tenant_access.find(api, names.project_of(api, project))
    found = {
        "DATABASE_URL": access.url(),
        **{f"{role.upper()}_JWT": token for role, token in access.tokens().items()},
        **{f"{service.upper()}_URL": where for service, where in access.services().items()},
    }
    show(found, *(f"export {name}={shlex.quote(value)}" for name, value in found.items()), as_json=as_json)


def register(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (url, psql, env):
        app.command()(command)
