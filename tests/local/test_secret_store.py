"""The secrets of the laptop's Secrets Manager, kept from one start to the next."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3
from botocore.exceptions import ClientError

from tests.local.conftest import Start
from tests.local.signing import signed


def test_a_secret_survives_a_restart_with_all_that_describes_it(started: Start) -> None:
    with started() as aws:
        client = aws.client("secretsmanager")
        client.create_secret(
            Name="a/b",
            SecretString="first",
            Description="what it is",
            KmsKeyId="alias/own",
            Tags=[{"Key": "job_id", "Value": "j-1"}],
            ClientRequestToken="t" * 32,
        )
        client.put_secret_value(SecretId="a/b", SecretString="second")
        before = client.describe_secret(SecretId="a/b")
    with started() as aws:
        client = aws.client("secretsmanager")
        after = client.describe_secret(SecretId="a/b")
        previous = client.get_secret_value(SecretId="a/b", VersionStage="AWSPREVIOUS")
        assert client.get_secret_value(SecretId=before["ARN"])["SecretString"] == "second"
    assert (previous["SecretString"], previous["VersionId"]) == ("first", "t" * 32)
    for answer in (before, after):
        del answer["ResponseMetadata"]
    assert after == before


def test_bytes_survive_too(started: Start) -> None:
    with started() as aws:
        aws.client("secretsmanager").create_secret(Name="a", SecretBinary=b"\x00\xff")
    with started() as aws:
        assert aws.client("secretsmanager").get_secret_value(SecretId="a")["SecretBinary"] == b"\x00\xff"


def test_a_deleted_secret_stays_deleted(started: Start) -> None:
    with started() as aws:
        client = aws.client("secretsmanager")
        client.create_secret(Name="a", SecretString="x")
        client.delete_secret(SecretId="a", ForceDeleteWithoutRecovery=True)
    with started() as aws, pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client("secretsmanager").describe_secret(SecretId="a")


def files(state: Path) -> dict[str, Path]:
    """Return the file of each secret that is kept, by the secret's name."""
    found = [file for file in (state / "secrets").iterdir() if file.suffix == ".json"]
    return {json.loads(file.read_text())["name"]: file for file in found}


def test_a_change_is_in_the_file_before_its_caller_hears_of_it(started: Start, tmp_path: Path) -> None:
    with started() as aws:
        client = aws.client("secretsmanager")
        client.create_secret(Name="a", SecretString="x")
        client.put_secret_value(SecretId="a", SecretString="what a kill -9 must not take")
        assert "what a kill -9 must not take" in files(tmp_path)["a"].read_text()


@pytest.mark.parametrize("by", ["Name", "ARN"])
def test_a_change_is_kept_whichever_way_it_names_its_secret(started: Start, by: str) -> None:
    with started() as aws:
        client = aws.client("secretsmanager")
        created = client.create_secret(Name="a/b", SecretString="x")
        client.put_secret_value(SecretId=created[by], SecretString="y")
        client.tag_resource(SecretId=created[by], Tags=[{"Key": "k", "Value": "v"}])
        client.delete_secret(SecretId=client.create_secret(Name="c", SecretString="x")[by], RecoveryWindowInDays=7)
    with started() as aws:
        client = aws.client("secretsmanager")
        assert client.get_secret_value(SecretId="a/b")["SecretString"] == "y"
        assert client.describe_secret(SecretId="a/b")["Tags"] == [{"Key": "k", "Value": "v"}]
        assert "DeletedDate" in client.describe_secret(SecretId="c")
        client.delete_secret(SecretId=created[by], ForceDeleteWithoutRecovery=True)
    with started() as aws, pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client("secretsmanager").describe_secret(SecretId="a/b")


def test_a_change_writes_no_other_secret(started: Start, tmp_path: Path) -> None:
    with started() as aws:
        client = aws.client("secretsmanager")
        client.create_secret(Name="a", SecretString="x")
        before = files(tmp_path)["a"].stat().st_ino
        client.create_secret(Name="b", SecretString="x")
        client.put_secret_value(SecretId="b", SecretString="y")
        assert files(tmp_path)["a"].stat().st_ino == before


def test_a_name_may_be_as_long_as_secrets_manager_allows(started: Start) -> None:
    with started() as aws:
        aws.client("secretsmanager").create_secret(Name="n/" * 256, SecretString="x")
    with started() as aws:
        assert aws.client("secretsmanager").get_secret_value(SecretId="n/" * 256)["SecretString"] == "x"


def test_a_request_that_is_not_json_changes_nothing(started: Start, tmp_path: Path) -> None:
    with started() as aws:
        headers = signed(aws, b"[", {"X-Amz-Target": "secretsmanager.CreateSecret"})
        status = urllib3.request("POST", aws.endpoint_url, headers=headers, body=b"[", retries=False).status
        assert status in {400, 500}
        assert files(tmp_path) == {}


def test_only_the_owner_can_read_the_secrets(started: Start, tmp_path: Path) -> None:
    with started() as aws:
        aws.client("secretsmanager").create_secret(Name="a", SecretString="x")
    assert stat.S_IMODE(files(tmp_path)["a"].stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_of_many_creations_of_one_secret_at_once_one_succeeds(started: Start) -> None:
    def create(number: int) -> str | None:
        try:
            client.create_secret(Name="a", SecretString=str(number))
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return None

    with started() as aws, ThreadPoolExecutor(8) as pool:
        client = aws.client("secretsmanager")
        outcomes = list(pool.map(create, range(16)))
    assert outcomes.count(None) == 1
    assert outcomes.count("ResourceExistsException") == 15


def test_concurrent_secrets_are_all_kept(started: Start, tmp_path: Path) -> None:
    with started() as aws, ThreadPoolExecutor(8) as pool:
        client = aws.client("secretsmanager")
        list(pool.map(lambda number: client.create_secret(Name=f"s-{number}", SecretString="x"), range(24)))
    assert set(files(tmp_path)) == {f"s-{number}" for number in range(24)}
