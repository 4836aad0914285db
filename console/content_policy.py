"""The headers by which a browser restricts the console's pages to what the console itself has sent."""

from starlette.datastructures import MutableHeaders
from starlette.types import Message

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
"""Scripts and styles come from files only: a script in a name that somebody chose never runs."""

HEADERS = {
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def restricted(message: Message) -> Message:
    """Return a message of an answer with these headers, if it has any."""
    if message["type"] != "http.response.start":
        return message
    headers = MutableHeaders(raw=list(message["headers"]))
    headers.update(HEADERS)
    return {**message, "headers": headers.raw}
