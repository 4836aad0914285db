"""Serve the console over HTTP: on loopback to this machine only, elsewhere to holders of the token."""

import json
import socket
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import PlainTextResponse, Response
from nicegui import app as pages
from nicegui import ui
from starlette.exceptions import HTTPException

from console import render
from console.addresses import name_in
from console.errors import ConsoleError
from console.execution_page import execution_page
from console.executions_page import executions_page
from console.formatting import legible
from console.frame import STATIC, STATIC_URL, Setting
from console.guard import Guard
from console.start_page import start_page
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS, validate_required_handlers


def serve(setting: Setting, host: str, port: int, token: str | None, ready: Callable[[str], None]) -> None:
    """Serve until interrupted, and call ready with the address. Raise ConsoleError if the port is taken.

    Port 0 chooses a free one. One console per process.
    """
    validate_required_handlers()
    listening = _listen(host, port)
    site = FastAPI(openapi_url=None)
    _routes(site, setting)
    ui.run_with(
        site,
        title="Provisioner",
        favicon=STATIC / "icon.svg",
        dark=None,
        tailwind=False,
        language="en-US",
        show_welcome_message=False,
        gzip_middleware_factory=None,  # the guard reads the pages; they are compressed on their way out of it
        reconnect_timeout=10,
    )
    shown_host = f"[{host}]" if ":" in host else host
    address = f"http://{shown_host}:{listening.getsockname()[1]}/"
    ready(f"{address}?token={token}" if token else address)
    config = uvicorn.Config(GZipMiddleware(Guard(site, token)), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # From here on clients that know the address may connect, and wait until the server accepts them.
        listening.listen()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a host's name"
        raise ConsoleError(f"cannot listen on {host}:{port}: {reason}") from error
    return listening


def _routes(site: FastAPI, setting: Setting) -> None:
    pages.add_static_files(STATIC_URL, STATIC)

    @ui.page("/")
    def _executions() -> None:
        executions_page(setting)

    @ui.page("/executions/{name}")
    async def _job(name: str) -> None:
        await execution_page(setting, name_in(name))

    @ui.page("/executions/{machine}/{name}")
    async def _execution(machine: str, name: str) -> None:
        await execution_page(setting, name_in(name), name_in(machine))

    if setting.starts_jobs:
        _forms(setting)
    _documents(site, setting)


def _forms(setting: Setting) -> None:
    @ui.page("/start")
    def _first_form() -> None:
        start_page(setting, next(iter(DECLARATIONS.values())))

    @ui.page("/start/{job_type}")
    def _form(job_type: str) -> None:
        declared = DECLARATIONS.get(JobType(job_type))
        if declared is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        start_page(setting, declared)


def _documents(site: FastAPI, setting: Setting) -> None:
    @site.get("/executions/{machine}/{name}/history.json")
    def _history(machine: str, name: str) -> Response:
        execution = _read(setting, machine, name)
        if isinstance(execution, Response):
            return execution
        text = legible(json.dumps(render.history_document(execution.events), indent=2, ensure_ascii=False))
        file = quote(legible(execution.name), safe="")
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{file}.json"}
        return Response(text, media_type="application/json", headers=headers)

    @site.get("/executions/{machine}/{name}/events/{number}")
    def _event(machine: str, name: str, number: int) -> Response:
        execution = _read(setting, machine, name)
        if isinstance(execution, Response):
            return execution
        found = [event for event in execution.events if event["id"] == number]
        if not found:
            return PlainTextResponse("no such event", HTTPStatus.NOT_FOUND)
        return PlainTextResponse(legible(json.dumps(render.event_document(found[0]), indent=2, ensure_ascii=False)))


def _read(setting: Setting, machine: str, name: str):  # type: ignore[no-untyped-def]
    try:
        execution = setting.sources.executions.read(name_in(name), name_in(machine))
    except ConsoleError as error:
        return PlainTextResponse(str(error), HTTPStatus.BAD_GATEWAY)
    return execution or PlainTextResponse("no such execution", HTTPStatus.NOT_FOUND)
