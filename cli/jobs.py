"""The commands about jobs: list, show, follow, stop, retry and roll back, and one that starts each job type."""

import re
import shlex
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli import completing, given
from cli.api_client import Api, new_key, segment
from cli.api_target import announce, with_api
from cli.output import AsJson, show
from cli.terminal import console, typed
from local.errors import HumanError
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS

Job = Annotated[str, typer.Argument(metavar="JOB", help="Or its project.", autocompletion=completing.jobs)]
KEY = re.compile("[ -~]{1,255}")
"""What the API accepts as the key of a request."""
ProjectOfJob = Annotated[
    str, typer.Argument(metavar="PROJECT", help="Or a job of it.", autocompletion=completing.projects)
]
Most = Annotated[int, typer.Option(min=1, max=10_000, help="How many are listed.")]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", help="Of an earlier try, which is repeated: the same job, not another.")
]
Plan = Annotated[
    str | None, typer.Option("--plan", metavar="ID", help="Of `provision plan`: do exactly that, or be refused.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not follow the job.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="JSON with the fields of the payload; - for standard input.",
        callback=given.remember_payload,
    ),
]


@with_api
def jobs(
    project: Annotated[
        str | None,
        typer.Argument(metavar="[PROJECT]", help="Only its jobs; or a job of it.", autocompletion=completing.projects),
    ] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this status, such as stopped.")] = None,
    job_type: Annotated[
        str | None,
        typer.Option("--type", help=f"Only those of: {', '.join(DECLARATIONS)}.", autocompletion=completing.job_types),
    ] = None,
    most: Most = 50,
    *,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """List the jobs, also those whose execution Step Functions has forgotten."""
    from cli import listing, names

    of = names.project_of(api, project) if project is not None else None
    listing.print_jobs(api, console(), most, as_json=as_json, project_id=of, status=status, job_type=job_type)


@with_api
def job(name: Job, *, as_json: AsJson = False, api: Api) -> None:
    """Show a job's progress and, once it has ended, its ending."""
    from cli import following, names

    following.print_job(names.job_of(api, name).job, console(), api.time_scale, as_json=as_json)


@with_api
def watch(
    name: Job,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line and change.")] = False,
    api: Api,
) -> None:
    """Follow a job to its end. Exit code 0: it succeeded; 1: it did not."""
    from cli import following, names

    _follow(api, names.job_of(api, name).name, following, as_json=as_json)


@with_api
def retry(name: Job, key: Key = None, *, no_wait: NoWait = False, as_json: AsJson = False, api: Api) -> None:
    """Start a failed job again, replacing it if something of it is left, and follow the new job to its end."""
    from cli import names

    found = names.job_of(api, name).job
    announce(api, found["project_id"])
    started = api.post(f"/v1/jobs/{segment(found['job_id'])}/retry", key=told_key(key))
    show_started(api, started["job_id"], no_wait=no_wait, as_json=as_json)


@with_api
def stop(
    name: Job,
    key: Key = None,
    *,
    rolls_back: Annotated[bool, typer.Option("--rollback/--no-rollback", help="Roll it back afterwards.")] = True,
    as_json: AsJson = False,
    api: Api,
) -> None:
    """Stop a running job and roll it back.

    Exit code 0: nothing is left of it, or no rollback was asked for; 1: something is.
    """
    from cli import names

    found = names.job_of(api, name).job
    announce(api, found["project_id"])
    path = f"/v1/jobs/{segment(found['job_id'])}/stop"
    stopped = api.post(path, key=told_key(key), **({} if rolls_back else {"rollback": False}))
    if stopped["rollback"] is None:
        said = typed(f"Stopped. Next: provision rollback {shlex.quote(found['job_id'])}.")
        show(stopped, said, as_json=as_json)
        return
    _wait_for_rollback(api, stopped["rollback"], as_json=as_json)


@with_api
def rollback(name: Job, key: Key = None, *, as_json: AsJson = False, api: Api) -> None:
    """Roll a job back after its execution was stopped or its rollback was incomplete.

    Exit code 0: nothing is left of it; 1: something is.
    """
    from cli import names

    found = names.job_of(api, name).job
    announce(api, found["project_id"])
    started = api.post(f"/v1/jobs/{segment(found['job_id'])}/rollback", key=told_key(key))
    _wait_for_rollback(api, started["rollback"], as_json=as_json)


@with_api
def events(
    after: Annotated[int, typer.Option(min=0, help="Only those after the event with this id.")] = 0,
    most: Most = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same, and an error as a JSON document.")] = False,
    api: Api,
) -> None:
    """Print what has happened to projects, jobs and tenants, one JSON document a line, the oldest first."""
    from cli import listing

    del as_json  # An event is a JSON document in any case.
    listing.print_events(api, console(), after, most)


def command_of(declared: Declaration) -> Callable[..., None]:
    """Return the command that starts a job of a type for a project."""

    def start(
        project: ProjectOfJob,
        source: From = None,
        key: Key = None,
        *,
        plan: Plan = None,
        no_wait: NoWait = False,
        as_json: AsJson = False,
        api: Api,
    ) -> None:
        from cli import names, payloads

        project_id = names.project_of(api, project)
        document = payloads.read(source) | {"project_id": project_id} | planned(plan)
        payloads.check(declared, document, options={"plan_id": "--plan"})
        announce(api, project_id)
        show_started(api, start_job(api, declared, document, told_key(key)), no_wait=no_wait, as_json=as_json)

    return with_api(start)


def start_job(api: Api, declared: Declaration, document: dict[str, Any], key: str) -> str:
    """Start a job of a type for the project of a payload, once for each key, and return its id."""
    path = f"/v1/projects/{segment(document['project_id'])}/jobs/{declared.job_type}"
    return str(api.post(path, document, key)["job_id"])


def show_started(api: Api, job_id: str, *, no_wait: bool, as_json: bool = False) -> None:
    """Name a job that was started, and follow it to its end unless told not to. Exit with 1 if it does not succeed."""
    from cli import following

    if no_wait:
        said = typed(f"Next: provision watch {shlex.quote(job_id)}.")
        show({"job_id": job_id}, f"Job {job_id}", said, as_json=as_json)
        return
    if not as_json:
        console().print(f"Job {job_id}", soft_wrap=True)
    _follow(api, job_id, following, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Register the commands; every job type but the one that `create` starts has its own, named in its declaration."""
    for command in (jobs, job, watch, retry, stop, rollback, events):
        app.command()(command)
    for declared in DECLARATIONS.values():
        if declared is not PROVISION_PROJECT:
            app.command(declared.command.split()[1], help=f"{declared.summary} Follows the job to its end.")(
                command_of(declared)
            )


def planned(plan: str | None) -> dict[str, str]:
    """Return the field of a payload that keeps a job to its plan, if there is one."""
    return {} if plan is None else {"plan_id": plan}


def told_key(key: str | None) -> str:
    """Return the key of a change, which is printed if it is new, so that the change can be repeated.

    Raise HumanError for one that no header can have.
    """
    if key is None:
        key = new_key()
        typer.echo(f"key {key} (--key repeats this very request)", err=True)
    elif KEY.fullmatch(key) is None:
        raise HumanError("--key: must be 1 to 255 printable ASCII characters")
    return key


def _follow(api: Api, name: str, following: Any, *, as_json: bool = False) -> None:
    out = console()
    ended = following.follow(api, name, out, as_json=as_json)
    if not as_json:
        following.print_ending(ended, out)
    if ended["outcome"] != "succeeded":
        raise typer.Exit(1)


def _wait_for_rollback(api: Api, execution: str, *, as_json: bool) -> None:
    from cli import following

    if not following.wait_for_rollback(api, execution, console(), as_json=as_json):
        raise typer.Exit(1)
