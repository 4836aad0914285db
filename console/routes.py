"""The addresses of the console. A page is added by one line, with the function that builds it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

from console import (
    clusters_page,
    documents,
    execution_actions,
    execution_page,
    executions_page,
    jobs_page,
    projects_page,
    start_page,
    tenant_page,
)
from console.answers import STATIC, STATIC_URL, Answers
from console.setting import Setting
from console.view import View


def routes(setting: Setting) -> tuple[Sequence[BaseRoute], Mapping[Any, Any]]:
    """Return the routes of a console, and what answers for an address that nothing has."""
    answers = Answers(setting)
    page, action = answers.page, answers.action
    execution = "/executions/{machine}/{name}"
    found: list[BaseRoute] = [
        Mount(STATIC_URL, _Static(directory=STATIC)),
        Route("/", page(jobs_page.first_page)),
        Route(jobs_page.PATH, page(jobs_page.jobs_page)),
        Route(projects_page.PATH, page(projects_page.projects_page)),
        Route(f"{projects_page.PATH}/{{project_id}}", page(tenant_page.project_page)),
        Route("/tenants/{tenant_id}", page(tenant_page.tenant_page)),
        Route("/clusters", page(clusters_page.clusters_page)),
        Route("/clusters/{cluster_id}", page(clusters_page.cluster_page)),
        Route("/executions", page(executions_page.executions_page)),
        Route("/executions/{name}", page(execution_page.execution_page)),
        Route(execution, page(execution_page.execution_page)),
        Route(f"{execution}/history.json", functools.partial(documents.history, setting)),
        Route(f"{execution}/definition.json", functools.partial(documents.definition, setting)),
        Route(f"{execution}/events/{{number:int}}", functools.partial(documents.event, setting)),
    ]
    if not setting.read_only:
        found += [
            Route(f"{execution}/{name}", action(act), methods=["POST"])
            for name, act in execution_actions.ACTIONS.items()
        ]
    if setting.starts_jobs:
        for path in ("/start", "/start/{job_type}"):
            found += [
                Route(path, page(start_page.start_page), methods=["GET"]),
                Route(path, action(start_page.start), methods=["POST"]),
            ]

    def nothing(request: Request, _: Exception) -> Response:
        return answers.show(request, View("Not found", "not_found", status=HTTPStatus.NOT_FOUND, poll_seconds=0))

    def failed(request: Request, error: Exception) -> Response:
        # What the error says may be a secret; its traceback goes to the terminal.
        view = View("Not made", "failed", context={"error": type(error).__name__})
        return answers.show(request, replace(view, status=HTTPStatus.INTERNAL_SERVER_ERROR, poll_seconds=0))

    return found, {HTTPStatus.NOT_FOUND: nothing, HTTPStatus.INTERNAL_SERVER_ERROR: failed}


class _Static(StaticFiles):
    """Files whose addresses change with them: a browser that has one does not ask for it again."""

    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer
