"""Who may open the console: this machine's own browser pages on loopback, elsewhere holders of the token."""

import hashlib
import hmac
import re
import secrets
from http import HTTPStatus
from urllib.parse import parse_qs, quote

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.content_policy import restricted

COOKIE = "provisioner_console"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(:[0-9]{1,5})?")
ORIGIN = re.compile(rf"https?://({HOST.pattern})|null")
NOT_OURS = {b"x-forwarded-prefix"}
"""Headers by which a proxy would put an address in front of the console's own. No proxy is supported."""


def new_token() -> str:
    """Return a token of 256 random bits."""
    return secrets.token_urlsafe(32)


class Guard:
    """Refuse requests without the token, and those of other sites' pages: neither DNS rebinding nor a WebSocket, which
    browsers open across sites, gets through. What is answered has the headers of content_policy.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket" and refusal is not None:
            await send({"type": "websocket.close", "code": 1008})
            return
        scope = {**scope, "headers": [one for one in scope["headers"] if one[0].lower() not in NOT_OURS]}

        async def send_restricted(message: Message) -> None:
            await send(restricted(message))

        await (refusal or self._app)(scope, receive, send_restricted if scope["type"] == "http" else send)

    def _refusal(self, scope: Scope) -> Response | None:
        host, origin = _only(scope, b"host"), _only(scope, b"origin")
        its_host = HOST.fullmatch(host or "")
        its_origin = ORIGIN.fullmatch("null" if origin is None else origin)
        if its_host is None or its_origin is None:
            which = "Host" if its_host is None else "Origin"
            return PlainTextResponse(f"The header {which} is missing or malformed.", HTTPStatus.BAD_REQUEST)
        if (origin is not None and its_origin[1] != host) or _is_embedded_elsewhere(scope):
            return PlainTextResponse("Pages of other sites may not use the console.", HTTPStatus.FORBIDDEN)
        if self._token is None:
            here = its_host[1].strip("[]").lower() in LOOPBACK
            said = "The console is for this machine only."
            return None if here else PlainTextResponse(said, HTTPStatus.MISDIRECTED_REQUEST)
        known = hmac.compare_digest(_cookie(scope).encode(), _digest(self._token).encode())
        return None if known else self._exchange_token(scope)

    def _exchange_token(self, scope: Scope) -> Response:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and self._is_token(given):
            # The token stays neither in the address bar nor in the browser's history.
            answer = Response(status_code=HTTPStatus.SEE_OTHER, headers={"location": _here(scope["path"])})
            answer.set_cookie(COOKIE, _digest(given), httponly=True, samesite="strict")
            return answer
        return PlainTextResponse(
            "The console needs its token: open the address that `provision console` printed.", HTTPStatus.UNAUTHORIZED
        )

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())


def _digest(token: str) -> str:
    """Return a token's form in a cookie; the token itself may have characters that a cookie may not."""
    return hashlib.sha256(token.encode()).hexdigest()


def _only(scope: Scope, wanted: bytes) -> str | None:
    """Return the value of a header, None if it is absent, and "" if it is there twice."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted]
    return None if not values else values[0] if len(values) == 1 else ""


def _is_embedded_elsewhere(scope: Scope) -> bool:
    """Return whether a browser says that another site's page asks, except for a link that somebody has followed."""
    followed = (_only(scope, b"sec-fetch-mode"), _only(scope, b"sec-fetch-dest")) == ("navigate", "document")
    return _only(scope, b"sec-fetch-site") in {"cross-site", "same-site"} and not followed


def _here(path: str) -> str:
    """Return a path as the address of a redirect; two slashes, of either kind, would begin the name of another site."""
    return "/" + quote(path.lstrip("/\\"), safe="/")


def _cookie(scope: Scope) -> str:
    # SimpleCookie raises an error for the cookies of other programs on this machine, which browsers send to every port.
    pairs = [pair.strip().partition("=") for pair in (_only(scope, b"cookie") or "").split(";")]
    return next((value for name, _, value in pairs if name == COOKIE), "")
