"""The headers of the console's answers."""

import base64
import hashlib
from typing import Any

import pytest

from console.content_policy import ContentPolicy

HOST = "127.0.0.1:8084"
PAGE = b'<html><script src="/a.js"></script><script type="module">go()\n</script><p>text</p></html>'


def answered(media_type: str, *parts: bytes) -> tuple[dict[str, str], bytes]:
    """The headers and the body that a browser gets of an answer in these parts."""
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"1")]
    messages: list[dict[str, Any]] = [{"type": "http.response.start", "status": 200, "headers": headers}]
    for number, part in enumerate(parts, 1):
        messages.append({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
    content = ContentPolicy(HOST)
    start, *bodies = [sent for message in messages for sent in content.apply(message)]
    return {name.decode(): value.decode() for name, value in start["headers"]}, b"".join(one["body"] for one in bodies)


def rules(headers: dict[str, str]) -> dict[str, str]:
    return dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))


@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "application/json", "text/plain", "image/svg+xml"])
def test_no_answer_may_be_framed_sniffed_or_told_to_other_sites(media_type: str) -> None:
    headers, body = answered(media_type, b"<p>", b"</p>")
    assert body == b"<p></p>"
    assert rules(headers)["frame-ancestors"] == "'none'"
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["referrer-policy"] == "same-origin"


def test_only_the_scripts_of_the_page_itself_run() -> None:
    half = PAGE.index(b"go()")
    headers, body = answered("text/html", PAGE[:half], PAGE[half:])
    digest = base64.b64encode(hashlib.sha256(b"go()\n").digest()).decode()
    assert body == PAGE
    assert rules(headers)["script-src"] == f"'self' 'unsafe-eval' 'sha256-{digest}'"
    assert rules(headers)["default-src"] == "'self'"
