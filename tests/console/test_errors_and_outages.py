"""The console's own pages for what is not there, what breaks and what cannot be reached, in a real browser."""

import asyncio
import socket
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from starlette.types import ASGIApp, Message
from typing_extensions import override

from console.job_view import Sources
from console.server import application
from console.setting import Setting
from local.stack import Stack
from tests.console.browsing import new_job
from tests.console.conftest import PATIENCE_MILLISECONDS, serving
from tests.executions.running import payload_for

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)


@contextmanager
def forwarding(port: int, endpoint_url: str) -> Iterator[None]:
    """Listen on a port and pass each connection on to the stack."""
    target = urlsplit(endpoint_url)

    class Forward(socketserver.BaseRequestHandler):
        @override
        def handle(self) -> None:
            with socket.create_connection((str(target.hostname), int(target.port or 0))) as there:
                back = threading.Thread(target=_copy, args=(there, self.request), daemon=True)
                back.start()
                _copy(self.request, there)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", port), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_an_address_that_nothing_has_leads_home(page: Page, console: str) -> None:
    for path in ("none", "projects/nobody", "tenants/nobody", "clusters/nobody", f"executions/{new_job()}", "start/x"):
        answer = page.goto(f"{console}/{path}")
        assert answer is not None
        assert answer.status == 404, path
        expect(page.locator("h1")).to_have_text("There is no such page")
    page.get_by_role("link", name="All jobs").click()
    expect(page.locator("h1")).to_have_text("Jobs")


def test_a_page_that_was_opened_in_an_outage_recovers_by_itself(page: Page, stack: Stack, project_id: str) -> None:
    job = new_job()
    stack.run(payload_for(project_id), job)
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    away = cast("Stack", SimpleNamespace(endpoint_url=f"http://127.0.0.1:{port}"))
    with serving(away, stack.state_machine_arn) as console:
        answer = page.goto(f"{console}/executions", timeout=60_000)
        assert answer is not None
        assert answer.status == 502
        expect(page.locator("h1")).to_have_text("Nothing can be read yet")
        expect(page.locator("main")).to_contain_text("provision up starts the stack")
        with forwarding(port, stack.endpoint_url):
            expect(page.locator("h1")).to_have_text("Executions", timeout=60_000)
            expect(page.locator("tbody")).to_contain_text(job)


def test_a_defect_has_a_page_of_its_own_without_what_the_error_says(stack: Stack) -> None:
    sources = Sources.of(stack.client("stepfunctions"), stack.client("logs"), stack.state_machine_arn)

    def broken(*_: object) -> None:
        raise RuntimeError("hunter2")

    sources.execution_list.look = broken  # type: ignore[method-assign, assignment]
    with ThreadPoolExecutor(1) as thread:
        asking = _get(application(Setting(sources, "here"), None), "/executions")
        answer, raised = thread.submit(asyncio.run, asking).result()
    assert (answer[0]["status"], type(raised)) == (500, RuntimeError)
    text = b"".join(message.get("body", b"") for message in answer).decode()
    assert "This page could not be made" in text
    assert "RuntimeError" in text
    assert "hunter2" not in text


async def _get(site: ASGIApp, path: str) -> tuple[list[Message], Exception | None]:
    """Ask an application for a page, and return what it sent and raised: uvicorn writes that to the terminal."""
    sent: list[Message] = []
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"localhost")]}

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await site(scope, receive, send)
    except RuntimeError as error:
        return sent, error
    return sent, None
