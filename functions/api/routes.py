"""The routes of the HTTP API: the one list that the application, the template and the documents follow."""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from api import changing, clusters, events, jobs, planning, projects, protecting, revealing, starting
from api.problems import Fault

PARAMETER = re.compile(r"\{(\w+)\}")


class Right(StrEnum):
    """What a caller needs to be allowed. Each has an example policy in docs/api.md."""

    READ = "read"
    CREATE = "create"
    DESTROY = "destroy"
    REVEAL = "reveal"
    PROTECT = "protect"
    UNPROTECT = "unprotect"


class Route(NamedTuple):
    """A method and a path, in API Gateway's words, with the function that answers."""

    method: str
    path: str
    answer: Callable[..., Any]
    summary: str
    problems: tuple[int, ...]
    """Statuses of the problems that only this route answers with."""
    right: Right
    status: int = 200
    faults: Callable[..., list[Fault]] | None = None
    """Takes the parameters of the path and `payload`, the body, and returns every rule that this breaks."""

    @property
    def key(self) -> str:
        """The route's key in API Gateway."""
        return f"{self.method} {self.path}"

    @property
    def rule(self) -> str:
        """The path in Powertools' words."""
        return PARAMETER.sub(r"<\1>", self.path)

    def parameters(self, path: str) -> Mapping[str, str]:
        """Return the parameters in a decoded path that leads here."""
        found = re.fullmatch(PARAMETER.sub(r"(?P<\1>[^/]+)", self.path), path)
        return found.groupdict() if found else {}

    def matches(self, path: str) -> bool:
        """Return whether a decoded path leads here."""
        return re.fullmatch(PARAMETER.sub(r"[^/]+", self.path), path) is not None


JOBS_OF_A_PROJECT = "/v1/projects/{project_id}/jobs/{job_type}"
REVEALED_KEYS = "/v1/projects/{project_id}/api-keys/reveal"
REVEALING = (403, 404, 409, 415, 422)
PROTECTION = "/v1/projects/{project_id}/protection"
PROTECTING = (403, 404, 409, 415)
UNPROTECTING = (403, 404, 415)
STARTING = (403, 404, 409, 415, 422, 429)
CREATING = (STARTING, Right.CREATE, 202)
ROUTES = (
    Route("GET", "/v1/projects", projects.list_projects, "List projects", (), Right.READ),
    Route("POST", "/v1/projects", starting.create_project, "Create a project", *CREATING, starting.faults_of_new),
    Route("GET", "/v1/projects/{project_id}", projects.get_project, "Get a project", (404,), Right.READ),
    Route("GET", "/v1/projects/{project_id}/api-keys", projects.list_api_keys, "List API keys", (404,), Right.READ),
    Route("POST", REVEALED_KEYS, revealing.reveal_api_keys, "Reveal API keys", REVEALING, Right.REVEAL),
    Route("PUT", PROTECTION, protecting.protect_project, "Protect a project", PROTECTING, Right.PROTECT),
    Route("DELETE", PROTECTION, protecting.unprotect_project, "End a protection", UNPROTECTING, Right.UNPROTECT),
    Route("POST", JOBS_OF_A_PROJECT, starting.start_job, "Start a job", *CREATING, starting.faults_of_job),
    Route("GET", "/v1/jobs", jobs.list_jobs, "List jobs", (), Right.READ),
    Route("GET", "/v1/jobs/{job_id}", jobs.get_job, "Get a job", (404,), Right.READ),
    Route("POST", "/v1/jobs/{job_id}/stop", changing.stop_job, "Stop a job", STARTING, Right.DESTROY, 202),
    Route("POST", "/v1/jobs/{job_id}/rollback", changing.roll_back_job, "Roll back", STARTING, Right.DESTROY, 202),
    Route("POST", "/v1/jobs/{job_id}/retry", changing.retry_job, "Retry a job", STARTING, Right.CREATE, 202),
    Route("POST", "/v1/plan", planning.plan_job, "Plan a job", (404, 409, 415, 429), Right.READ),
    Route("GET", "/v1/clusters", clusters.list_clusters, "List clusters", (), Right.READ),
    Route("GET", "/v1/clusters/{cluster_id}", clusters.get_cluster, "Get a cluster", (404,), Right.READ),
    Route("GET", "/v1/events", events.list_events, "List events", (), Right.READ),
)


def allowed_methods(path: str, routes: Iterable[Route] = ROUTES) -> Mapping[str, str]:
    """Return the methods that a decoded path exists with, each with its route's key."""
    return {route.method: route.key for route in routes if route.matches(path)}
