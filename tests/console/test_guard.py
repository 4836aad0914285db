"""Who may open the console."""

import asyncio
from typing import Any

import pytest

from console.server import Guard

TOKEN = "the-token-of-this-test"
HERE = "127.0.0.1:8084"


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Stand behind the guard and say that somebody got in."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})


def ask(token: str | None, kind: str = "http", query: str = "", **headers: str) -> dict[str, Any]:
    """The first answer to a visitor."""
    scope = {
        "type": kind,
        "method": "GET",
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    told: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(Guard(site, token)(scope, receive, send))  # type: ignore[arg-type]
    return told[0]


@pytest.mark.parametrize("host", [HERE, "localhost:8084", "[::1]:8084"])
def test_this_machine_needs_no_token_on_loopback(host: str) -> None:
    assert ask(None, host=host)["status"] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8084", ""])
def test_a_name_that_was_rebound_to_loopback_is_refused(host: str) -> None:
    assert ask(None, host=host)["status"] == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null"])
def test_the_page_of_another_site_is_refused(origin: str) -> None:
    assert ask(None, host=HERE, origin=origin)["status"] == 403
    assert ask(None, "websocket", host=HERE, origin=origin)["type"] == "websocket.close"


def test_a_websocket_of_the_page_itself_is_let_in() -> None:
    assert ask(None, "websocket", host=HERE, origin=f"http://{HERE}")["type"] == "websocket.accept"


@pytest.mark.parametrize("query", ["", "token=", "token=wrong", f"token={TOKEN}x"])
def test_elsewhere_nobody_comes_in_without_the_token(query: str) -> None:
    assert ask(TOKEN, query=query, host="10.0.0.1")["status"] == 401
    assert ask(TOKEN, "websocket", query=query, host="10.0.0.1")["type"] == "websocket.close"


def test_the_token_becomes_a_cookie_and_leaves_the_address() -> None:
    answer = ask(TOKEN, query=f"token={TOKEN}", host="10.0.0.1")
    headers = {name.decode(): value.decode() for name, value in answer["headers"]}
    assert (answer["status"], headers["location"]) == (303, "/")
    cookie, _, attributes = headers["set-cookie"].partition("; ")
    assert "httponly" in attributes.lower()
    assert "samesite=strict" in attributes.lower()
    assert ask(TOKEN, host="10.0.0.1", cookie=cookie)["status"] == 200
    assert ask(TOKEN, "websocket", host="10.0.0.1", cookie=cookie)["type"] == "websocket.accept"
