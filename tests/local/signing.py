"""Requests that are signed as AWS's clients sign them, with any key."""

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.access_key import AccessKey
from local.aws import LocalAws
from local.aws_client import REGION


def signed(
    aws: LocalAws, body: bytes, headers: dict[str, str], key: AccessKey | None = None, service: str = "secretsmanager"
) -> dict[str, str]:
    """Return the headers with which a request about that body is sent."""
    key = key or aws.key
    request = AWSRequest("POST", f"{aws.endpoint_url}/", headers, body)
    SigV4Auth(Credentials(key.key_id, key.secret), service, REGION).add_auth(request)
    return dict(request.headers)
