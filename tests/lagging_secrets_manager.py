"""An eventually consistent Secrets Manager: a proxy over real HTTP, behind which a new secret is seen late.

AWS says that all its operations are eventually consistent (API reference, ListSecrets). Reads are answered as if the
secret had not been made yet, and CreateSecret by what is true.
"""

import http.client
import json
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.serving import WSGIRequestHandler
from werkzeug.wsgi import get_input_stream

from local.access_key import AccessKey
from local.aws_client import REGION
from local.http_server import HttpServer, listen
from local.stack import Stack

Answer = tuple[int, bytes]
NOT_FOUND = {"__type": "ResourceNotFoundException", "message": "Secrets Manager can't find the specified secret."}
CONTENT_TYPE = ("Content-Type", "application/x-amz-json-1.1")


@dataclass
class Unseen:
    """A secret that was just made, and how often reads have missed it."""

    made_at: float = field(default_factory=time.monotonic)
    misses: int = 0


class LaggingSecretsManager:
    """Hide each new secret from its first reads, and for a time: whichever ends first."""

    def __init__(self, upstream: str, *, reads: float = math.inf, seconds: float = math.inf, only: str = "") -> None:
        self._upstream = urlsplit(upstream).netloc
        self._reads = reads
        self._seconds = seconds
        self._only = only
        self.unseen: dict[str, Unseen] = {}
        self._deleted: dict[str, bytes] = {}
        self.deletions_are_late = False
        """Whether the first DescribeSecret after a deletion answers as before it."""
        self.deletions_miss = False
        """Whether a deletion misses what reads miss, and still succeeds."""
        self.missed: list[str] = []
        """The operations that have missed a secret."""
        self._server = HttpServer(self._serve, listen("127.0.0.1", 0), WSGIRequestHandler)

    @property
    def url(self) -> str:
        """The address for an endpoint."""
        return self._server.url

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve."""
        self._server.start()
        try:
            yield
        finally:
            self._server.stop()

    def hide(self, *secret_ids: str) -> None:
        """Treat secrets, or versions, as just made."""
        self.unseen |= dict.fromkeys(secret_ids, Unseen())

    def catch_up(self) -> None:
        """Let every secret be seen from now on."""
        self.unseen.clear()
        self._reads = 0

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = get_input_stream(environ).read()
        service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        forwarded = self._forward(environ, body) if service != "secretsmanager" else self._answer(environ, action, body)
        status, answer = forwarded
        start_response(f"{status} Answer", [CONTENT_TYPE, ("Content-Length", str(len(answer)))])
        return [answer]

    def _answer(self, environ: dict[str, Any], action: str, body: bytes) -> Answer:
        asked = json.loads(body)
        secret_id = asked.get("SecretId", "")
        if action == "DescribeSecret" and secret_id in self._deleted:
            return 200, self._deleted.pop(secret_id)
        if action == "BatchGetSecretValue" and (missing := [one for one in asked["SecretIdList"] if self._misses(one)]):
            self.missed.append(action)
            errors = [{"SecretId": one, "ErrorCode": NOT_FOUND["__type"], "Message": ""} for one in missing]
            return 200, json.dumps({"SecretValues": [], "Errors": errors}).encode()
        read = asked.get("VersionId") or secret_id
        if action in ("GetSecretValue", "DescribeSecret") and self._misses(read):
            self.missed.append(action)
            return 400, json.dumps(NOT_FOUND).encode()
        if action == "DeleteSecret" and self.deletions_miss and secret_id in self.unseen:
            self.missed.append(action)
            return 200, json.dumps({"ARN": secret_id, "Name": secret_id, "DeletionDate": time.time()}).encode()
        described = self._described(environ, body) if action == "DeleteSecret" and self.deletions_are_late else None
        status, answer = self._forward(environ, body)
        if status == 200 and action == "CreateSecret" and self._only in asked["Name"]:
            made = self.unseen.setdefault(asked["Name"], Unseen())
            self.unseen[json.loads(answer)["ARN"]] = made
        if status == 200 and described is not None:
            self._deleted[secret_id] = described
        return status, answer

    def _misses(self, secret_id: str) -> bool:
        unseen = self.unseen.get(secret_id)
        if unseen is None or unseen.misses >= self._reads or time.monotonic() - unseen.made_at >= self._seconds:
            return False
        unseen.misses += 1
        return True

    def _described(self, environ: dict[str, Any], body: bytes) -> bytes | None:
        target = {"HTTP_X_AMZ_TARGET": "secretsmanager.DescribeSecret"}
        asked = json.dumps({"SecretId": json.loads(body)["SecretId"]}).encode()
        status, answer = self._forward(environ | target, asked)
        return answer if status == 200 else None

    def _forward(self, environ: dict[str, Any], body: bytes) -> Answer:
        # The signature is about the address and the body that were sent here.
        headers = {"Content-Type": environ.get("CONTENT_TYPE", ""), "X-Amz-Target": environ["HTTP_X_AMZ_TARGET"]}
        request = AWSRequest("POST", f"http://{self._upstream}{environ['PATH_INFO']}", headers, body)
        key = AccessKey.of_environment()
        service = environ["HTTP_AUTHORIZATION"].split("/")[3]
        SigV4Auth(Credentials(key.key_id, key.secret), service, REGION).add_auth(request)
        headers = dict(request.headers)
        connection = http.client.HTTPConnection(self._upstream)
        try:
            connection.request(environ["REQUEST_METHOD"], environ["PATH_INFO"], body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def lagging(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, *, reads: float = math.inf, seconds: float = math.inf, only: str = ""
) -> Iterator[LaggingSecretsManager]:
    """Put the lag between the stack's handlers and its Secrets Manager."""
    secrets_manager = LaggingSecretsManager(stack.endpoint_url, reads=reads, seconds=seconds, only=only)
    with secrets_manager.running(), monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", secrets_manager.url)
        yield secrets_manager
