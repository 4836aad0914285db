"""Who may call the laptop's AWS: only requests that are signed with the stack's own key."""

import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
import urllib3
from botocore import auth
from botocore.exceptions import ClientError

from local import access_key
from local.aws import LocalAws
from local.aws_client import make_client
from local.errors import HumanError
from tests.local.conftest import Start
from tests.local.signing import signed

TARGET = {"X-Amz-Target": "secretsmanager.ListSecrets", "Content-Type": "application/x-amz-json-1.1"}
BODY = b"{}"

Change = Callable[[dict[str, str]], None]


@pytest.fixture
def aws(started: Start) -> Iterator[LocalAws]:
    with started() as running:
        yield running


def post(aws: LocalAws, headers: dict[str, str], body: bytes = BODY, path: str = "/") -> tuple[int, str]:
    """The status and the name of the error."""
    answer = urllib3.request("POST", f"{aws.endpoint_url}{path}", headers=headers, body=body, retries=False)
    return answer.status, answer.headers.get("x-amzn-ErrorType", "")


def test_a_request_that_is_signed_with_the_key_is_answered(aws: LocalAws) -> None:
    assert post(aws, signed(aws, BODY, TARGET)) == (200, "")


def test_a_request_without_a_signature_is_refused(aws: LocalAws) -> None:
    assert post(aws, TARGET) == (403, "MissingAuthenticationTokenException")


def test_the_former_key_is_refused(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        make_client("secretsmanager", aws.endpoint_url, access_key.AccessKey("local", "local")).list_secrets()


def test_the_id_without_the_secret_is_refused(aws: LocalAws) -> None:
    for service in ("secretsmanager", "stepfunctions", "lambda", "logs", "s3"):
        client = make_client(service, aws.endpoint_url, replace(aws.key, secret="another"))
        operation = {
            "secretsmanager": "list_secrets",
            "stepfunctions": "list_state_machines",
            "lambda": "list_functions",
            "logs": "describe_log_groups",
            "s3": "list_buckets",
        }[service]
        with pytest.raises(ClientError, match=r"InvalidSignature|403"):
            getattr(client, operation)()
        getattr(aws.client(service), operation)()


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ("X-Amz-Target", "secretsmanager.GetRandomPassword"),
        ("X-Amz-Date", "20260101T000000Z"),
        ("Host", "localhost"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=x"),
        ("Authorization", ""),
    ],
)
def test_a_request_that_was_changed_after_it_was_signed_is_refused(aws: LocalAws, changed: str, value: str) -> None:
    assert post(aws, signed(aws, BODY, TARGET) | {changed: value})[0] == 403


def test_another_body_path_or_query_is_refused(aws: LocalAws) -> None:
    headers = signed(aws, BODY, TARGET)
    assert post(aws, headers, b'{"MaxResults": 1}') == (403, "InvalidSignatureException")
    assert post(aws, headers, path="/else") == (403, "InvalidSignatureException")
    assert post(aws, headers, path="/?x=1") == (403, "InvalidSignatureException")


def test_a_signature_that_leaves_out_the_body_is_refused(aws: LocalAws) -> None:
    headers = signed(aws, BODY, TARGET | {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert post(aws, headers) == (403, "InvalidSignatureException")
    named = hashlib.sha256(BODY).hexdigest()
    assert post(aws, signed(aws, BODY, TARGET | {"X-Amz-Content-SHA256": named})) == (200, "")


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_signature_of_another_time_is_refused(aws: LocalAws, minutes: int) -> None:
    with patch.object(auth, "get_current_datetime", lambda: datetime.now(UTC) + timedelta(minutes=minutes)):
        headers = signed(aws, BODY, TARGET)
    assert post(aws, headers) == (403, "InvalidSignatureException")


def test_motos_own_interface_is_not_there_even_with_the_key(aws: LocalAws) -> None:
    aws.client("secretsmanager").create_secret(Name="kept", SecretString="x")
    for path in ("/moto-api/reset", "/moto-api/data.json", "/moto-api/"):
        assert post(aws, {"Content-Type": "text/plain"}, path=path)[0] == 403
        assert urllib3.request("GET", f"{aws.endpoint_url}{path}", retries=False).status == 403
    with pytest.raises(ClientError, match="404"):
        aws.client("s3").list_objects_v2(Bucket="moto-api")
    assert aws.client("secretsmanager").get_secret_value(SecretId="kept")["SecretString"] == "x"


def test_the_key_is_random_stays_and_is_for_its_owner_only(started: Start, tmp_path: Path) -> None:
    with started() as first:
        key = first.key
    with started() as again:
        assert again.key == key
    assert access_key.ensure(_directory(tmp_path / "other")) != key
    assert key.secret not in repr(key)
    assert stat.S_IMODE(access_key.credentials_file(tmp_path).stat().st_mode) == 0o600


def test_the_file_is_read_by_awss_own_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    key = access_key.ensure(tmp_path)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(access_key.credentials_file(tmp_path)))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-users-own")
    found = boto3.Session(profile_name=access_key.PROFILE).get_credentials()
    assert found is not None
    assert (found.access_key, found.secret_key) == (key.key_id, key.secret)


@pytest.mark.parametrize("content", ["", "[laptop]\n", "junk", "[laptop]\naws_access_key_id = x\n"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    access_key.credentials_file(tmp_path).write_text(content)
    with pytest.raises(HumanError, match="credentials is not the stack's access key"):
        access_key.ensure(tmp_path)


def _directory(path: Path) -> Path:
    path.mkdir()
    return path
