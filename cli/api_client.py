"""The client of the HTTP API: it signs requests, repeats the unanswered, and raises problems as typed errors."""

import json
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from cli.api_problems import ApiProblem, ApiUnreachable

SERVICE = "execute-api"
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each repetition, unless the answer's Retry-After asks for more."""
LONGEST_PAUSE = 30.0
CONNECT_SECONDS = 5
READ_SECONDS = 40
"""Longer than the longest wait for a job (api/jobs.py), which API Gateway cuts at 30 seconds."""
LONGEST_PAGE = 200
DEPLOYMENT = "Provisioner-Deployment"
"""The header of every answer that says which deployment has given it (api/requests.py)."""


@dataclass(frozen=True)
class Key:
    """Whose requests these are. `credentials` are botocore's, which renews those that expire."""

    credentials: Any = field(repr=False)
    region: str


@dataclass
class Api:
    """The HTTP API of one deployment. Every method raises ApiProblem and ApiUnreachable."""

    endpoint: str
    key: Key
    is_loopback: bool = False
    time_scale: float = 1.0
    """What multiplies the 300 seconds between attempts, on a laptop."""
    pauses: Sequence[float] = PAUSES
    deployment: Mapping[str, str] = field(default_factory=dict)
    """The account, region and stack, as the last answer has named them."""

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Return the answer of a GET. What is None is left out of the query."""
        return self._send("GET", self._address(path, query), None, {})

    def post(self, path: str, body: object = None, key: str | None = None, **query: object) -> dict[str, Any]:
        """Return the answer of a POST, which is repeated under the same key until it is answered."""
        headers = {"Idempotency-Key": key or new_key()}
        return self._send("POST", self._address(path, query), body, headers)

    def put(self, path: str) -> dict[str, Any]:
        """Return the answer of a PUT, which is repeated until it is answered: a second one changes nothing."""
        return self._send("PUT", self._address(path, {}), None, {})

    def delete(self, path: str) -> dict[str, Any]:
        """Return the answer of a DELETE, which is repeated until it is answered: a second one changes nothing."""
        return self._send("DELETE", self._address(path, {}), None, {})

    def rows(self, path: str, name: str, most: int, **query: object) -> tuple[list[dict[str, Any]], bool]:
        """Return the first rows of a list, page by page, and whether there are more."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.get(path, **query, limit=min(LONGEST_PAGE, most - len(found)), cursor=cursor)
            found += page[name]
            cursor = page["next_cursor"]
            if cursor is None or len(found) >= most:
                return found, cursor is not None

    def job(self, job_id: str, wait: int = 0) -> dict[str, Any]:
        """Return a job, when it has ended or after so many seconds."""
        return self.get(f"/v1/jobs/{segment(job_id)}", wait=wait)

    def project(self, project_id: str) -> dict[str, Any]:
        """Return a project."""
        return self.get(f"/v1/projects/{segment(project_id)}")

    def _address(self, path: str, query: Mapping[str, object]) -> str:
        asked = urlencode({name: _text(value) for name, value in query.items() if value is not None})
        return f"{self.endpoint.rstrip('/')}{path}{'?' * bool(asked)}{asked}"

    def _send(self, method: str, address: str, body: object, headers: Mapping[str, str]) -> dict[str, Any]:
        from botocore.exceptions import ConnectionError as NoConnection
        from botocore.exceptions import HTTPClientError, SSLError

        content = None if body is None else json.dumps(body).encode()
        for pause in (*self.pauses, None):
            try:
                answer = _transport(self.endpoint, self.is_loopback).send(
                    self._signed(method, address, content, headers)
                )
            except SSLError as error:
                raise ApiUnreachable(f"{self.endpoint} cannot be trusted: {error}") from error
            except (NoConnection, HTTPClientError) as error:
                if pause is None:
                    raise ApiUnreachable(f"{self.endpoint} does not answer: {error}") from error
                _say(f"{self.endpoint} does not answer: trying again")
                time.sleep(pause)
                continue
            self.deployment = _deployment(answer.headers.get(DEPLOYMENT, ""))
            found = _document(answer.content)
            if answer.status_code < HTTPStatus.BAD_REQUEST:
                return found
            problem = ApiProblem(answer.status_code, found)
            if pause is None or not problem.may_pass:
                raise problem
            _say(f"{problem}: trying again")
            time.sleep(max(pause, _seconds(answer.headers.get("Retry-After"))))
        raise AssertionError

    def _signed(self, method: str, address: str, content: bytes | None, headers: Mapping[str, str]) -> Any:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        said = {"Accept": "application/json", **headers}
        if content is not None:
            said["Content-Type"] = "application/json"
        request = AWSRequest(method, address, said, content)
        # Anew for each attempt: a signature has its time in it.
        SigV4Auth(self.key.credentials.get_frozen_credentials(), SERVICE, self.key.region).add_auth(request)
        return request.prepare()


def new_key() -> str:
    """Return an Idempotency-Key that nobody else has."""
    return str(uuid.uuid4())


def segment(name: str) -> str:
    """Return a name as a segment of a path. Raise UnicodeEncodeError for what is not text."""
    return quote(name, safe="")


def _transport(endpoint: str, is_loopback: bool) -> Any:
    import os

    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    # Botocore takes a path and a pair, as its own clients pass them; its types know of neither.
    settings: dict[str, Any] = {
        "verify": os.environ.get("AWS_CA_BUNDLE") or True,
        "timeout": (CONNECT_SECONDS, READ_SECONDS),
    }
    return URLLib3Session(
        proxies={} if is_loopback else get_environ_proxies(endpoint),
        **settings,
    )


def _document(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _deployment(header: str) -> dict[str, str]:
    return dict(one.strip().split("=", 1) for one in header.split(",") if "=" in one)


def _seconds(retry_after: str | None) -> float:
    return min(float(retry_after), LONGEST_PAUSE) if retry_after and retry_after.isdecimal() else 0.0


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _say(text: str) -> None:
    print(f"provision: {text}", file=sys.stderr)
