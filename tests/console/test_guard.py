"""Who may open the console."""

import asyncio
import re
from typing import Any

import pytest

from console.guard import Guard

TOKEN = "the-token-of-this-test"
HERE = "127.0.0.1:8084"


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Stand behind the guard and say that somebody got in."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        seen = [value for name, value in scope["headers"] if name == b"x-forwarded-prefix"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-prefix", one) for one in seen]})
        await send({"type": "http.response.body", "body": b"in"})


def ask(token: str | None, kind: str = "http", query: str = "", path: str = "/", **headers: str) -> dict[str, Any]:
    """The first answer to a visitor. A value with a line break is sent as two headers."""
    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, text in headers.items()
            for value in text.split("\n")
        ],
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


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8084"])
def test_a_name_that_was_rebound_to_loopback_is_refused(host: str) -> None:
    assert ask(None, host=host)["status"] == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null"])
def test_the_page_of_another_site_is_refused(origin: str) -> None:
    assert ask(None, host=HERE, origin=origin)["status"] == 403
    assert ask(None, "websocket", host=HERE, origin=origin)["type"] == "websocket.close"


@pytest.mark.parametrize(
    "host", ["", "[", "[::1", "a]b", f"{HERE}\nevil.example", "127.0.0.1:x", "user@127.0.0.1", "127.0.0.1/..", "é"]
)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_malformed_host_is_a_bad_request(host: str, token: str | None) -> None:
    assert ask(token, host=host)["status"] == 400
    assert ask(token, "websocket", host=host)["type"] == "websocket.close"


@pytest.mark.parametrize(
    "origin", ["http://[", "//[", f"http://{HERE}\nhttp://evil.example", "", "http://127.0.0.1:8084/x", "[::1]"]
)
def test_a_malformed_origin_is_a_bad_request(origin: str) -> None:
    assert ask(None, host=HERE, origin=origin)["status"] == 400
    assert ask(None, "websocket", host=HERE, origin=origin)["type"] == "websocket.close"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_may_link_to_the_console_but_not_use_it(site: str) -> None:
    for mode, dest, status in [("no-cors", "image", 403), ("navigate", "iframe", 403), ("navigate", "document", 200)]:
        asked = {"sec_fetch_site": site, "sec_fetch_mode": mode, "sec_fetch_dest": dest}
        assert ask(None, host=HERE, **asked)["status"] == status


def test_a_visitor_cannot_put_another_site_in_front_of_the_addresses() -> None:
    answered = ask(None, host=HERE, x_forwarded_prefix="//evil.example")["headers"]
    assert b"//evil.example" not in dict(answered).values()


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example/%2f.."])
def test_the_redirect_that_removes_the_token_stays_on_this_site(path: str) -> None:
    answer = ask(TOKEN, query=f"token={TOKEN}", path=path, host="10.0.0.1")
    location = dict(answer["headers"])[b"location"].decode()
    assert re.fullmatch(r"/[a-z][^\\\s]*", location)


@pytest.mark.parametrize("cookie", ["a,b=1", "[=]; x", "ä=1", ";;="])
def test_cookies_of_other_programs_do_no_harm(cookie: str) -> None:
    assert ask(TOKEN, host="10.0.0.1", cookie=cookie)["status"] == 401
    ours = (
        dict(ask(TOKEN, query=f"token={TOKEN}", host="10.0.0.1")["headers"])[b"set-cookie"].decode().partition(";")[0]
    )
    assert ask(TOKEN, host="10.0.0.1", cookie=f"{cookie}; {ours}")["status"] == 200


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
