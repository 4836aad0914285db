"""Serve the console over HTTP: on loopback to this machine only, elsewhere to holders of the token."""

import hmac
import json
import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from nicegui import app as pages
from nicegui import ui
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from console import render
from console.errors import ConsoleError
from console.execution_page import execution_page
from console.executions_page import executions_page
from console.frame import STATIC, STATIC_URL, Setting
from console.start_page import start_page
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS, validate_required_handlers

COOKIE = "provisioner_console"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def new_token() -> str:
    """Return a token of 256 random bits."""
    return secrets.token_urlsafe(32)


class Guard:
    """Refuse requests without the token, and those of other sites' pages: neither DNS rebinding nor a WebSocket, which
    browsers open across sites, gets through.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("Pages of other sites may not use the console.", HTTPStatus.FORBIDDEN)
        if self._token is None:
            if urlsplit(f"//{host}").hostname in LOOPBACK:
                return None
            return PlainTextResponse("The console is for this machine only.", HTTPStatus.MISDIRECTED_REQUEST)
        if self._is_token(_cookie(headers)):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and self._is_token(given):
            # The token stays neither in the address bar nor in the browser's history.
            answer = Response(status_code=HTTPStatus.SEE_OTHER, headers={"location": scope["path"]})
            answer.set_cookie(COOKIE, given, httponly=True, samesite="strict")
            return answer
        return PlainTextResponse(
            "The console needs its token: open the address that `provision console` printed.", HTTPStatus.UNAUTHORIZED
        )

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())


def _cookie(headers: dict[str, str]) -> str:
    found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    return found.value if found else ""


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
        reconnect_timeout=10,
    )
    shown_host = f"[{host}]" if ":" in host else host
    address = f"http://{shown_host}:{listening.getsockname()[1]}/"
    ready(f"{address}?token={token}" if token else address)
    config = uvicorn.Config(Guard(site, token), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # From here on clients that know the address may connect, and wait until the server accepts them.
        listening.listen()
    except OSError as error:
        raise ConsoleError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening


def _routes(site: FastAPI, setting: Setting) -> None:
    pages.add_static_files(STATIC_URL, STATIC)

    @ui.page("/")
    def _executions() -> None:
        executions_page(setting)

    @ui.page("/executions/{name}")
    async def _job(name: str) -> None:
        await execution_page(setting, name)

    @ui.page("/executions/{machine}/{name}")
    async def _execution(machine: str, name: str) -> None:
        await execution_page(setting, name, machine)

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
        text = json.dumps(render.history_document(execution.events), indent=2, ensure_ascii=False)
        headers = {"content-disposition": f'attachment; filename="{execution.name}.json"'}
        return Response(text, media_type="application/json", headers=headers)

    @site.get("/executions/{machine}/{name}/events/{number}")
    def _event(machine: str, name: str, number: int) -> Response:
        execution = _read(setting, machine, name)
        if isinstance(execution, Response):
            return execution
        found = [event for event in execution.events if event["id"] == number]
        if not found:
            return PlainTextResponse("no such event", HTTPStatus.NOT_FOUND)
        return PlainTextResponse(json.dumps(render.event_document(found[0]), indent=2, ensure_ascii=False))


def _read(setting: Setting, machine: str, name: str):  # type: ignore[no-untyped-def]
    try:
        execution = setting.sources.executions.read(name, machine)
    except ConsoleError as error:
        return PlainTextResponse(str(error), HTTPStatus.BAD_GATEWAY)
    return execution or PlainTextResponse("no such execution", HTTPStatus.NOT_FOUND)
