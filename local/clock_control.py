"""How another process ends the wait between two attempts of the running stack: a signed request to it.

    POST {endpoint}/provisioner/clock      {"execution": ...}

The answer is 204, or 409 {"message": ...} if that execution does not wait. The stack accepts only requests that are
signed with its key.
"""

import json
from collections.abc import Callable
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3.exceptions import HTTPError

from local.access_key import AccessKey
from local.aws_client import REGION
from local.errors import HumanError, Unavailable

PATH = "/provisioner/clock"

Skip = Callable[[str], bool]


def answer(environ: dict[str, Any], body: bytes, skip: Skip) -> tuple[str, bytes]:
    """Do what a request asks for, and return the status line and the body of the answer."""
    if environ["REQUEST_METHOD"] != "POST":
        return "405 Method Not Allowed", b""
    try:
        execution = str(json.loads(body)["execution"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return "400 Bad Request", json.dumps({"message": "the request is malformed"}).encode()
    if not skip(execution):
        return "409 Conflict", json.dumps({"message": f"{execution} does not wait for an attempt"}).encode()
    return "204 No Content", b""


def send(endpoint_url: str, execution: str) -> None:
    """Have the running stack make the execution's next attempt now. Raise HumanError with the reason if it does not."""
    key, url = AccessKey.of_environment(), f"{endpoint_url}{PATH}"
    body = json.dumps({"execution": execution}).encode()
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    SigV4Auth(Credentials(key.key_id, key.secret), "provisioner", REGION).add_auth(request)
    try:
        answered = urllib3.PoolManager().request("POST", url, body=body, headers=dict(request.headers), retries=False)
    except HTTPError as error:
        raise Unavailable(f"the stack at {endpoint_url} did not answer ({type(error).__name__})") from None
    if answered.status != 204:
        raise HumanError(f"{execution} does not wait for an attempt" if answered.status == 409 else "it was refused")
