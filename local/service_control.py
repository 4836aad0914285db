"""How another process has the running stack use an external service, or its own again: a signed request to it.

    PUT {endpoint}/provisioner/services/{service}      {"url": ..., "adapter": ..., "public_url": ..., "token": ...}
    DELETE {endpoint}/provisioner/services/{service}

The token may be null, for the one that the stack has. The answer is 204, or 400
{"message": ...}. The stack accepts only requests that are signed with its key.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3.exceptions import HTTPError

from local.access_key import AccessKey
from local.aws_client import REGION
from local.errors import HumanError, Unavailable
from local.external_services import Change, External, checked
from provisioning.services.addresses import TOKEN
from provisioning.stage import Service

PATH = "/provisioner/services/"

Apply = Callable[[Service, Change], None]


def answer(environ: dict[str, Any], body: bytes, apply: Apply) -> tuple[str, bytes]:
    """Do what a request asks for, and return the status line and the body of the answer."""
    try:
        service = Service(environ["PATH_INFO"].removeprefix(PATH))
        if environ["REQUEST_METHOD"] == "DELETE":
            apply(service, Change(None))
        elif environ["REQUEST_METHOD"] == "PUT":
            apply(service, _change(service, json.loads(body)))
        else:
            return "405 Method Not Allowed", b""
    except HumanError as error:
        return "400 Bad Request", json.dumps({"message": str(error)}).encode()
    except (ValueError, RecursionError, KeyError, TypeError):
        return "400 Bad Request", json.dumps({"message": "the request is malformed"}).encode()
    return "204 No Content", b""


def _change(service: Service, asked: dict[str, Any]) -> Change:
    token = asked.get("token")
    if token is not None and not (isinstance(token, str) and TOKEN.fullmatch(token)):
        raise ValueError("a token must be text")
    external = External(str(asked["url"]), str(asked["adapter"]), str(asked["public_url"]))
    return Change(checked(service, external), token)


def send(endpoint_url: str, service: Service, change: Change) -> None:
    """Have the running stack use the service from now on. Raise HumanError with the reason if it does not."""
    key, url = AccessKey.of_environment(), f"{endpoint_url}{PATH}{service}"
    external = change.external
    asked = {} if external is None else {**asdict(external), "token": change.token}
    body = json.dumps(asked).encode()
    method = "DELETE" if external is None else "PUT"
    request = AWSRequest(method, url, {"Content-Type": "application/json"}, body)
    SigV4Auth(Credentials(key.key_id, key.secret), "provisioner", REGION).add_auth(request)
    try:
        answered = urllib3.PoolManager().request(method, url, body=body, headers=dict(request.headers), retries=False)
    except HTTPError as error:
        raise Unavailable(f"the stack at {endpoint_url} did not answer ({type(error).__name__})") from None
    if answered.status != 204:
        raise HumanError(_reason(answered.data) or f"the stack at {endpoint_url} answered {answered.status}")


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
