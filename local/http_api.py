"""The HTTP API of the stack: a request that is signed for API Gateway becomes the event that API Gateway makes of it.

The event is of payload format 2.0. API Gateway finds a route by the path as it was sent, and decodes it afterwards:
rawPath, path parameters and the query's.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html ("decodes URL-encoded request
parameters"); captures of both are in https://github.com/middleapi/standard-server/pull/93.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from local import signature
from local.lambda_environment import Invocation

FUNCTION = "AnswerRequestFunction"
"""The template's function that answers."""

SERVICE = "execute-api"
DEFAULT_ROUTE = "$default"
INTERNAL_ERROR = json.dumps({"message": "Internal Server Error"})

Invoke = Callable[[str], Invocation]


def is_asked(environ: Mapping[str, Any]) -> bool:
    """Return whether a request is signed for API Gateway."""
    given = signature.AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
    return given is not None and given["service"] == SERVICE


def answer(
    environ: Mapping[str, Any], body: bytes, account: str, invoke: Invoke
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return the status line, the headers and the body of the function's answer, which has to have a status.

    If it fails or its answer cannot be used, the status is 500, as in API Gateway.
    """
    invocation = invoke(json.dumps(event_of(environ, body, account, _route_keys())))
    try:
        told = {} if invocation.failed else json.loads(invocation.payload)
        status, text = HTTPStatus(told["statusCode"]), str(told.get("body") or "")
        content = base64.b64decode(text) if told.get("isBase64Encoded") else text.encode()
        headers = {str(name).lower(): str(value) for name, value in (told.get("headers") or {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        status, content = HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_ERROR.encode()
        headers = {"content-type": "application/json"}
    return f"{status.value} {status.phrase}", list(headers.items()), content


def event_of(environ: Mapping[str, Any], body: bytes, account: str, route_keys: Iterable[str]) -> dict[str, Any]:
    """Return the event for a request, with the route among these that it leads to."""
    path, _, query = str(environ["RAW_URI"]).partition("?")
    method, now = str(environ["REQUEST_METHOD"]), datetime.now(UTC)
    route_key, parameters = _matched(route_keys, method, path)
    headers = _headers(environ)
    queried: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        queried.setdefault(name, []).append(value)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": unquote(path),
        "rawQueryString": urlencode([(name, value) for name, values in queried.items() for value in values]),
        "headers": headers,
        "requestContext": {
            "accountId": account,
            "apiId": "laptop",
            "authorizer": {"iam": _caller(environ, account)},
            "domainName": headers.get("host", ""),
            "http": {
                "method": method,
                "path": unquote(path),
                "protocol": str(environ.get("SERVER_PROTOCOL", "")),
                "sourceIp": str(environ.get("REMOTE_ADDR", "")),
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": route_key,
            "stage": DEFAULT_ROUTE,
            "time": now.strftime("%d/%b/%Y:%H:%M:%S %z"),
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": False,
    }
    if queried:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in queried.items()}
    if parameters:
        event["pathParameters"] = parameters
    return event | _body(body)


def _route_keys() -> Iterable[str]:
    # Late, because it takes as long to import as the rest of the stack's own code.
    from api.routes import ROUTES

    return [route.key for route in ROUTES]


def _matched(route_keys: Iterable[str], method: str, path: str) -> tuple[str, dict[str, str]]:
    for key in route_keys:
        its_method, _, its_path = key.partition(" ")
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(its_path))
        if its_method == method and (found := re.fullmatch(pattern, path)):
            return key, {name: unquote(value) for name, value in found.groupdict().items()}
    return DEFAULT_ROUTE, {}


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    found = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }
    # API Gateway has used it up.
    found.pop("authorization", None)
    return found


def _caller(environ: Mapping[str, Any], account: str) -> dict[str, Any]:
    given = signature.AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
    return {
        "accessKey": given["key"] if given else "",
        "accountId": account,
        "callerId": account,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{account}:root",
        "userId": account,
    }


def _body(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
