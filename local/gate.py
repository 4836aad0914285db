"""What every HTTP server of the stack refuses before its application sees it: requests of a web page.

A page of any site can make a browser on this machine send requests to loopback. If a request changes
something, or the page could read its answer, the page cannot leave out the header Origin or Sec-Fetch-Site. If the
page's own name leads to loopback (DNS rebinding), the header Host has that name.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(:[0-9]{1,5})?")
ORIGIN = re.compile(rf"[a-z][a-z0-9+.-]*://{HOST.pattern}|null")
HERE = frozenset({"127.0.0.1", "localhost", "::1", "host.docker.internal"})
"""The names under which this machine and Docker's containers on it reach the stack; the address it listens on is added,
unless that means all of them: a page may have 0.0.0.0 for this machine.
The port is not compared: a container or a proxy of the user's may have another for it.
"""

OF_NO_PAGE = {None, "none"}
"""The values of Sec-Fetch-Site for requests of no page; the stack serves none, so any page is another server's."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Gate:
    """A WSGI application that passes on to another one only requests that no web page has sent."""

    def __init__(self, application: Application, address: str) -> None:
        self._application = application
        self._hosts = HERE if ipaddress.ip_address(address).is_unspecified else HERE | {address}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        refusal = self._refusal(environ)
        if refusal is None:
            return self._application(environ, start_response)
        status, reason = refusal
        answer = f"{reason}\n".encode()
        start_response(
            f"{status.value} {status.phrase}",
            [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(answer)))],
        )
        return [answer]

    def _refusal(self, environ: dict[str, Any]) -> tuple[HTTPStatus, str] | None:
        host, origin = HOST.fullmatch(environ.get("HTTP_HOST", "")), environ.get("HTTP_ORIGIN")
        if host is None:
            return HTTPStatus.BAD_REQUEST, "The header Host is missing or malformed."
        if origin is not None:
            if ORIGIN.fullmatch(origin) is None:
                return HTTPStatus.BAD_REQUEST, "The header Origin is malformed."
            return HTTPStatus.FORBIDDEN, "No web page may use the laptop stack."
        if environ.get("HTTP_SEC_FETCH_SITE") not in OF_NO_PAGE:
            return HTTPStatus.FORBIDDEN, "No web page may use the laptop stack."
        if host[1].strip("[]").lower() not in self._hosts:
            return HTTPStatus.FORBIDDEN, "The laptop stack is for this machine only."
        return None
