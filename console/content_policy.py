"""The headers by which a browser restricts the console's pages to what the console itself has sent."""

import base64
import hashlib
import re
from collections.abc import Iterator

from starlette.datastructures import MutableHeaders
from starlette.types import Message

INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class ContentPolicy:
    """The headers of one answer. A page is held until it is complete, because the policy names its scripts' hashes."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._start: Message | None = None
        self._body = b""

    def apply(self, message: Message) -> Iterator[Message]:
        """Yield what is sent instead of a message of the application."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            headers.update(HEADERS)
            message = {**message, "headers": headers.raw}
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
            headers["content-security-policy"] = policy(self._host)
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if message.get("more_body", False):
                return
            MutableHeaders(raw=self._start["headers"])["content-security-policy"] = policy(self._host, self._body)
            yield self._start
            message, self._start = {**message, "body": self._body}, None
        yield message


def policy(host: str, page: bytes = b"") -> str:
    """Return the Content-Security-Policy of a page.

    NiceGUI evaluates text that the server sends over the WebSocket, and Quasar writes styles into the page; so neither
    can be forbidden. A script in a name that somebody chose never runs: it has no hash.
    """
    hashes = (f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in _scripts(page))
    # Not every browser takes 'self' for the WebSocket of the same host.
    rules = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", "'unsafe-eval'", *dict.fromkeys(hashes)]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "font-src": "'self' data:",
        "connect-src": f"'self' ws://{host} wss://{host}" if host else "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _scripts(page: bytes) -> Iterator[bytes]:
    return (found[1] for found in INLINE_SCRIPT.finditer(page))
