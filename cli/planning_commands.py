"""The command that says what a job would do, before it is started."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from cli import completing
from cli.api_client import Api
from cli.api_target import with_api
from cli.jobs import From
from cli.output import AsJson, Facts, Note, Rows, show
from cli.projects import Organization, Owner, ProjectId, Region, Services, payload_of, placed
from cli.terminal import typed
from local.errors import HumanError
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS


@with_api
def plan(  # noqa: PLR0913 (each is an option)
    project: ProjectId = None,
    organization: Organization = None,
    owner: Owner = None,
    region: Region = None,
    services: Services = None,
    source: From = None,
    *,
    job_type: Annotated[
        str,
        typer.Option(metavar="TYPE", help=f"One of {', '.join(DECLARATIONS)}.", autocompletion=completing.job_types),
    ] = PROVISION_PROJECT.job_type,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """Say what `provision create`, or a job of another type, would do with the same options. Nothing is changed.

    The last line is the command that does exactly this, or is refused because something has changed since.
    """
    declared = DECLARATIONS.get(JobType(job_type))
    if declared is None:
        raise HumanError(f"--job-type: {job_type} is none of {', '.join(DECLARATIONS)}")
    document = payload_of(project, source, (organization, owner, region), services or [])
    document.pop("plan_id", None)
    if declared is PROVISION_PROJECT:
        document, _ = placed(api, document)
    else:
        from cli import names, payloads

        document["project_id"] = names.project_of(api, str(document["project_id"]))
        payloads.check(declared, document, options={})
    found = api.post("/v1/plan", {"job_type": job_type, "payload": document})
    options = {"--org": organization, "--owner": owner, "--region": region}
    words = [*declared.command.split()[1:2], found["project_id"]]
    words += [word for name, value in options.items() if value is not None for word in (name, value)]
    words += [word for service in services or [] for word in ("--service", service)]
    words += ["--from", source] if source is not None else []
    following = Note(typed(f"Next: provision {shlex.join([*words, '--plan', found['plan_id']])}"))
    show(found, Facts(_facts(found)), "", *_tables(found), "", Facts(_numbers(found)), following, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(plan)


def _facts(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    new = ", a new project" if found["is_new_project"] else ""
    yield "Job", f"{found['job_type']} of {found['project_id']}{new}"
    yield "Cluster", _reason(found["cluster"])
    for other in found["other_clusters"]:
        yield "Not", _reason(other)
    tenant = found["tenant"]
    yield "Tenant", TENANTS[tenant["source"]].format(tenant["tenant_id"])
    yield "Services", ", ".join(found["services"]) or "none"


TENANTS = {"pool": "{}, which its cluster keeps ready", "project": "{}, the project's", "new": "a new one"}
"""Where a job's tenant comes from, as the API's `source` says it."""


def _reason(cluster: Mapping[str, str]) -> str:
    return f"{cluster['cluster_id']}: {cluster['why']}"


def _tables(found: Mapping[str, Any]) -> Iterator[Rows | str]:
    resources = [(one["action"], one["kind"], one["number"], ", ".join(one["names"])) for one in found["resources"]]
    yield Rows(("Action", "Kind", "Number", "Names"), resources)
    yield ""
    # A service is asked until it is ready, however often that is.
    calls = [(one["kind"], "until ready" if one["number"] is None else one["number"]) for one in found["calls"]]
    yield Rows(("Call", "Number"), calls)


def _numbers(found: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    price = found["price"]
    yield "Transitions", found["transitions"]
    yield "Price", f"{price['once']:.6f} dollars once, {price['per_month']:.2f} a month"
    yield "", f"in {price['region']}, by AWS's prices of {price['read_on']}"
    yield "Plan", found["plan_id"]
