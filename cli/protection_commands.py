"""The commands that protect a project from removal, and that end its protection."""

import typer

from cli.api_client import Api, segment
from cli.api_target import announce, with_api
from cli.jobs import ProjectOfJob
from cli.output import AsJson, show


@with_api
def protect(project: ProjectOfJob, *, as_json: AsJson = False, api: Api) -> None:
    """Protect a project: no job opens that may remove its database, until `provision unprotect`."""
    project_id = _announced(api, project)
    _print(api.put(_path(project_id)), as_json=as_json)


@with_api
def unprotect(project: ProjectOfJob, *, as_json: AsJson = False, api: Api) -> None:
    """End a project's protection, so that it can be removed. On AWS this is a right of its own."""
    project_id = _announced(api, project)
    _print(api.delete(_path(project_id)), as_json=as_json)


def register(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (protect, unprotect):
        app.command()(command)


def _announced(api: Api, name: str) -> str:
    from cli import names

    project_id = names.project_of(api, name)
    announce(api, project_id)
    return project_id


def _path(project_id: str) -> str:
    return f"/v1/projects/{segment(project_id)}/protection"


def _print(answer: dict[str, object], *, as_json: bool) -> None:
    """Print what the project is now, as the answer says it."""
    said = "protected" if answer["is_protected"] else "not protected"
    show(answer, f"The project {answer['project_id']} is {said}.", as_json=as_json)
