"""The commands about projects: create, list and show."""

from typing import Annotated, Any

import typer

from cli import completing, given
from cli.api_client import Api
from cli.api_problems import ApiProblem
from cli.api_target import announce, with_api
from cli.jobs import From, Key, Most, NoWait, Plan, planned, show_started, start_job, told_key
from cli.output import AsJson
from cli.terminal import console
from local.errors import HumanError
from provisioning import refused
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.stage import Service

OWNERS = ("organization_id", "owner_id")
"""What only a new project has to name."""
OPTIONS = {"project_id": "PROJECT", **refused.OPTIONS}
"""What gives each field of a payload beside a file."""
OPEN = tuple(PROVISION_PROJECT.opens_in)
"""The statuses of a project that was added before and has nothing yet."""
ProjectId = Annotated[
    str | None,
    typer.Argument(metavar="PROJECT", help="Its id.", show_default=False, autocompletion=completing.projects),
]
Organization = Annotated[
    str | None,
    typer.Option(
        "--org",
        "--organization",
        help="Whose it is.",
        callback=given.remember_payload,
        autocompletion=completing.organizations,
    ),
]
Owner = Annotated[str | None, typer.Option("--owner", help="Who owns it.", callback=given.remember_payload)]
Region = Annotated[
    str | None,
    typer.Option("--region", help="Where it is.  [default: the deployment's]", callback=given.remember_payload),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="SERVICE",
        help=f"To register it with; repeat it for more of {', '.join(Service)}.",
        callback=given.remember_payload,
        autocompletion=completing.services,
    ),
]


@with_api
def create(  # noqa: PLR0913 (each is an option)
    project: ProjectId = None,
    organization: Organization = None,
    owner: Owner = None,
    region: Region = None,
    services: Services = None,
    source: From = None,
    key: Key = None,
    *,
    plan: Plan = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """Add a project, give it its database, its registrations and its API keys, and follow that to its end.

    Options win over what --from says. A project that was added before and has nothing yet needs neither --org nor
    --owner. Exit code 1: it failed, and nothing of it is left unless the last line names it.
    """
    document = payload_of(project, source, (organization, owner, region), services or []) | planned(plan)
    job_id = start(api, document, key)
    show_started(api, job_id, no_wait=no_wait, as_json=as_json)


def start(api: Api, document: dict[str, Any], key: str | None) -> str:
    """Add a project, unless it was added before and has nothing yet, start the job that provisions it, and return the
    job's id. Raise PayloadProblems, and ApiProblem for a project that has something.
    """
    document, known = placed(api, document)
    announce(api, document["project_id"])
    is_repeated, key = key is not None, told_key(key)
    if all(name in document for name in OWNERS):
        try:
            return str(api.post("/v1/projects", document, key)["job_id"])
        except ApiProblem as problem:
            if problem.type != "ProjectExists" or not (is_repeated or _may_open(known, document)):
                raise
    return start_job(api, PROVISION_PROJECT, document, key)


def placed(api: Api, document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a payload with its project's region, or a new project's default, and the project, or None for a new one.

    Raise PayloadProblems.
    """
    from cli import names, payloads

    known = names.find_project(api, str(document.get("project_id", "")))
    if known is None and not api.deployment:
        api.get("/v1/projects", limit=1)
    place = known["region"] if known is not None else api.deployment.get("region", api.key.region)
    document = {"region": place, **document}
    payloads.check(PROVISION_PROJECT, document, *(OWNERS if known is None else ()), options=OPTIONS)
    return document, known


@with_api
def ls(
    status: Annotated[str | None, typer.Option(help="Only those in this status, such as active or failed.")] = None,
    most: Most = 50,
    *,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """List the projects with their status, tenant and latest job."""
    from cli import listing

    listing.print_projects(api, console(), most, as_json=as_json, status=status)


@with_api
def show(
    name: Annotated[str, typer.Argument(metavar="PROJECT", help="Or a job.", autocompletion=completing.jobs)],
    *,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """Show a project's tenant, database, registrations, API keys and job, or a job's progress.

    Never prints a secret.
    """
    from cli import following, names, project_view

    project = names.find_project(api, name)
    if project is not None:
        project_view.print_project(api, project, console(), as_json=as_json)
    elif (job := names.find_job(api, name)) is not None:
        following.print_job(job, console(), api.time_scale, as_json=as_json)
    else:
        raise names.unknown(name)


def _may_open(known: dict[str, Any] | None, document: dict[str, Any]) -> bool:
    """Return whether a project that exists may still be provisioned: it is the same, and has nothing yet."""
    # Of two that add a project at once, neither has seen that of the other.
    return known is None or (known["status"] in OPEN and all(known[name] == document[name] for name in OWNERS))


def register(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (create, ls, show):
        app.command()(command)


def payload_of(
    project: str | None, source: str | None, whose: tuple[str | None, str | None, str | None], services: list[str]
) -> dict[str, Any]:
    """Return the payload that the options and the file make. Raise HumanError if nothing names the project."""
    from cli import payloads

    document = payloads.read(source)
    organization, owner, region = whose
    named = {"project_id": project, "organization_id": organization, "owner_id": owner, "region": region}
    document |= {name: value for name, value in named.items() if value is not None}
    if services:
        known = document.get("services", {})
        document["services"] = {**known, **dict.fromkeys(services, True)} if isinstance(known, dict) else known
    if "project_id" not in document:
        raise HumanError("which project? give its id, or a file that names it with --from")
    return document
