"""Signature Version 4 of a request, checked with botocore's own signer: only the stack's key is accepted."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.access_key import AccessKey

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential="
    r"(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[\w-]+)/(?P<service>[\w.-]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[a-z0-9;_-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
NEEDED = {"host", "x-amz-date"}
LONGEST_AGE = timedelta(minutes=15)
"""How far the time of a signature may be from this machine's: AWS's own limit for most services."""

REFUSED_STATUS = "403 Forbidden"


class Refused(Exception):
    """The request has no valid signature. `name` is AWS's name for the reason."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    def answer(self) -> tuple[list[tuple[str, str]], bytes]:
        """Return the headers and the body, in which AWS's clients find the name and the message."""
        body = json.dumps({"__type": self.name, "message": str(self)}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", self.name)]
        return [*headers, ("Content-Length", str(len(body)))], body


def check(environ: Mapping[str, Any], body: bytes, key: AccessKey) -> None:
    """Raise Refused unless the request's header Authorization signs this method, address, host and body with the key.

    A signature in the address (a presigned URL) is not accepted, nor one that leaves out the body.
    """
    given = AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
    if given is None:
        raise Refused("MissingAuthenticationTokenException", "the request is not signed: see the laptop stack's key")
    if not hmac.compare_digest(given["key"].encode(), key.key_id.encode()):
        raise Refused("UnrecognizedClientException", "the access key is not that of this laptop stack")
    headers = {name: _header(environ, name) for name in given["headers"].split(";")}
    if not headers.keys() >= NEEDED:
        raise Refused("IncompleteSignatureException", "the signature leaves out the host or the date")
    if headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest()) != hashlib.sha256(body).hexdigest():
        raise Refused("InvalidSignatureException", "the signature is not about this body")
    if not (headers["x-amz-date"].startswith(given["date"]) and _is_recent(headers["x-amz-date"])):
        raise Refused("InvalidSignatureException", "the signature has expired: is this machine's clock right?")
    if not hmac.compare_digest(_signature(environ, headers, body, key, given).encode(), given["signature"].encode()):
        raise Refused("InvalidSignatureException", "the signature does not match: the secret access key is another")


def _signature(
    environ: Mapping[str, Any], headers: Mapping[str, str], body: bytes, key: AccessKey, given: re.Match[str]
) -> str:
    address = f"http://{headers['host']}{environ['RAW_URI']}"
    request = AWSRequest(environ["REQUEST_METHOD"], address, dict(headers), body)
    request.context["timestamp"] = headers["x-amz-date"]
    # S3 signs the path as sent; every other service signs its normalized form, escaped once more.
    scheme = S3SigV4Auth if given["service"] == "s3" else SigV4Auth
    signer = scheme(Credentials(key.key_id, key.secret), given["service"], given["region"])
    canonical = signer.canonical_request(request)
    return str(signer.signature(signer.string_to_sign(request, canonical), request))


def _header(environ: Mapping[str, Any], name: str) -> str:
    variable = name.upper().replace("-", "_")
    return str(environ.get(f"HTTP_{variable}", environ.get(variable, "")))


def _is_recent(timestamp: str) -> bool:
    try:
        signed_at = datetime.strptime(timestamp, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(datetime.now(UTC) - signed_at) <= LONGEST_AGE
