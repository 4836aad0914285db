"""What a name on the command line means: a project or a job, wherever one of them is meant."""

import re
from http import HTTPStatus
from typing import Any, NamedTuple

from cli.api_client import Api
from cli.api_problems import ApiProblem

PROJECT = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What the API accepts as the id of a project."""
LONGEST_JOB = 80
"""What the API accepts as the name of a job, which is Step Functions' longest name of an execution."""


class Named(NamedTuple):
    """A job with the name by which it can be asked for, which may be that of its rollback's execution."""

    name: str
    job: dict[str, Any]


def find_project(api: Api, name: str) -> dict[str, Any] | None:
    """Return the project of that id, or None."""
    if PROJECT.fullmatch(name) is None:
        return None
    return _unless_unknown(lambda: api.project(name))


def find_job(api: Api, name: str) -> dict[str, Any] | None:
    """Return the job of that id, or None."""
    return _unless_unknown(lambda: api.job(name)) if 0 < len(name) <= LONGEST_JOB else None


def project_of(api: Api, name: str) -> str:
    """Return the id of a project, given that or the id of a job of it. Raise ApiProblem if there is neither."""
    if find_project(api, name) is not None:
        return name
    job = find_job(api, name)
    if job is None or job["project_id"] is None:
        raise unknown(name)
    return str(job["project_id"])


def job_of(api: Api, name: str) -> Named:
    """Return a job, given its id or that of its project: then the one that last changed the project's status, or the
    newest. Raise ApiProblem if there is none.
    """
    job = find_job(api, name)
    if job is not None:
        return Named(name, job)
    project = find_project(api, name)
    if project is None:
        raise unknown(name)
    if project["job"] is not None:
        job_id = str(project["job"]["job_id"])
    else:
        newest, _ = api.rows("/v1/jobs", "jobs", 1, project_id=name)
        if not newest:
            raise ApiProblem(404, {"type": "JobNotFound", "detail": f"the project {name} has had no job"})
        job_id = str(newest[0]["job_id"])
    return Named(job_id, api.job(job_id))


def unknown(name: str) -> ApiProblem:
    """Return the error for what is the name of neither."""
    return ApiProblem(404, {"type": "JobNotFound", "detail": f"there is no project and no job {name}"})


def _unless_unknown(ask: Any) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = ask()
    except ApiProblem as problem:
        if problem.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return found
