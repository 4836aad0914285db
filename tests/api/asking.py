"""Ask the HTTP API's handler, with the event that API Gateway makes of a request."""

import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from api.requests import answer_request
from api.routes import ROUTES


class Context:
    """As much of Lambda's context as the handler needs."""

    def get_remaining_time_in_millis(self) -> int:
        return 50_000


@dataclass(frozen=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def type(self) -> str:
        """The media type."""
        return self.headers["Content-Type"]


def ask(
    method: str, address: str, route_key: str | None = None, body: str | None = None, key: str | None = None
) -> Answer:
    """Ask the handler in this process, whose environment leads to the stack."""
    asked = event(method, address, route_key)
    if body is not None:
        asked |= {"body": body}
        asked["headers"] |= {"content-type": "application/json"}
    if key is not None:
        asked["headers"] |= {"idempotency-key": key}
    answer = answer_request(asked, Context())
    headers = {name: value if isinstance(value, str) else ", ".join(value) for name, value in answer["headers"].items()}
    return Answer(answer["statusCode"], headers, json.loads(answer["body"]))


def get(address: str) -> Any:
    """Return the body of an answer that is no problem."""
    answer = ask("GET", address)
    assert answer.status == 200, answer.body
    return answer.body


def post(address: str, body: object, key: str | None = None) -> Answer:
    """Send a document, under a key of its own if none is given."""
    return ask("POST", address, body=json.dumps(body), key=key or uuid.uuid4().hex)


def event(method: str, address: str, route_key: str | None = None) -> dict[str, Any]:
    """Return the event for a request, with the route that API Gateway finds by the path as it was sent."""
    sent = urlsplit(address)
    found = [route.key for route in ROUTES if route.method == method and route.matches(sent.path)]
    query: dict[str, str] = {}
    for name, value in parse_qsl(sent.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return {
        "version": "2.0",
        "routeKey": route_key or next(iter(found), "$default"),
        "rawPath": unquote(sent.path),
        "rawQueryString": sent.query,
        "headers": {"host": "api.test"},
        **({"queryStringParameters": query} if query else {}),
        "requestContext": {
            "requestId": "request-1",
            "authorizer": {"iam": {"accountId": "123456789012", "userId": "AROATEST:a-session"}},
            "stage": "$default",
            "http": {"method": method, "path": unquote(sent.path), "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        },
        "isBase64Encoded": False,
    }
