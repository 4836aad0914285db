"""The routes that protect a project from removal, and that end its protection. Each is a right of its own."""

from aws_lambda_powertools.event_handler import Request as HttpRequest
from pydantic import BaseModel

from api.projects import ProjectId
from api.starting import caller_in
from provisioning import control_plane, protection


class Protection(BaseModel):
    """Whether a project is protected from jobs that may remove its tenant."""

    project_id: str
    is_protected: bool


def protect_project(request: HttpRequest, project_id: ProjectId) -> Protection:
    """Protect a project: no job opens that may remove its tenant, until its protection is ended.

    A project whose removal has begun gets 409 with the job.
    """
    protection.protect(control_plane.connect(), project_id, caller_in(request))
    return Protection(project_id=project_id, is_protected=True)


def unprotect_project(request: HttpRequest, project_id: ProjectId) -> Protection:
    """End a project's protection."""
    protection.unprotect(control_plane.connect(), project_id, caller_in(request))
    return Protection(project_id=project_id, is_protected=False)
