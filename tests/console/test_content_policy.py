"""The headers of the console's answers."""

from typing import Any

import pytest

from console.content_policy import restricted

PAGE = b'<html><script src="/a.js"></script><script type="module">go()\n</script><p>text</p></html>'


def answered(media_type: str, *parts: bytes) -> tuple[dict[str, str], bytes]:
    """The headers and the body that a browser gets of an answer in these parts."""
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"1")]
    messages: list[dict[str, Any]] = [{"type": "http.response.start", "status": 200, "headers": headers}]
    for number, part in enumerate(parts, 1):
        messages.append({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
    start, *bodies = [restricted(message) for message in messages]
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


def test_only_scripts_and_styles_in_files_of_the_console_itself_are_used() -> None:
    half = PAGE.index(b"go()")
    headers, body = answered("text/html", PAGE[:half], PAGE[half:])
    assert body == PAGE
    assert rules(headers)["script-src"] == "'self'"
    assert rules(headers)["style-src"] == "'self'"
    assert rules(headers)["default-src"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
