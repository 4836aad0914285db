import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from local.aws import LocalAws
from local.errors import HumanError
from local.template import read_template
from tests.local.conftest import DEFINITION, TEMPLATE, Machines

Start = Callable[[], Any]


@pytest.fixture
def started(tmp_path: Path) -> Start:
    """Starts Step Functions and its neighbours on the state that the last start of this test left."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "machine.asl.yaml").write_text(DEFINITION)

    @contextmanager
    def start() -> Iterator[LocalAws]:
        aws = LocalAws(read_template(tmp_path / "template.yaml"), tmp_path, fsync=False)
        aws.start()
        try:
            yield aws
        finally:
            aws.stop()

    return start


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
    """Returns the file of each secret that is kept, by the secret's name."""
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
        scope = "Credential=local/20260101/us-east-1/secretsmanager/aws4_request"
        headers = {"X-Amz-Target": "secretsmanager.CreateSecret", "Authorization": f"AWS4-HMAC-SHA256 {scope}, x"}
        status = urllib3.request("POST", aws.endpoint_url, headers=headers, body=b"[", retries=False).status
        assert status >= 400
        assert files(tmp_path) == {}


def test_secrets_that_an_older_stack_kept_in_one_file_are_taken_over(started: Start, tmp_path: Path) -> None:
    with started() as aws:
        client = aws.client("secretsmanager")
        for name in ("a", "b"):
            client.create_secret(Name=name, SecretString=f"value of {name}")
    kept = files(tmp_path).values()
    (tmp_path / "secrets.json").write_text(f"[{','.join(file.read_text() for file in kept)}]")
    for file in kept:
        file.unlink()
    for _ in range(2):
        with started() as aws:
            client = aws.client("secretsmanager")
            for name in ("a", "b"):
                assert client.get_secret_value(SecretId=name)["SecretString"] == f"value of {name}"


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


def test_the_result_of_the_handler_is_the_output(machines: Machines) -> None:
    outcome = machines(lambda event, _: {"doubled": event["number"] * 2}).run('{"number": 21}')
    assert (outcome["status"], json.loads(outcome["output"])) == ("SUCCEEDED", {"doubled": 42})


def test_a_handlers_error_is_the_error_and_its_report_the_cause(machines: Machines) -> None:
    def work(_event: Any, _context: Any) -> None:
        raise LookupError("no good")

    outcome = machines(work).run()
    assert (outcome["status"], outcome["error"]) == ("FAILED", "LookupError")
    assert json.loads(outcome["cause"])["errorMessage"] == "no good"


def test_lambda_can_be_invoked_directly(machines: Machines) -> None:
    def work(_event: Any, _context: Any) -> None:
        raise LookupError("no good")

    answer = machines(work).aws.client("lambda").invoke(FunctionName="WorkFunction", Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "LookupError"


def test_executions_without_a_name_get_one_each(machines: Machines) -> None:
    aws = machines(lambda *_: None).aws
    client = aws.client("stepfunctions")
    started = [client.start_execution(stateMachineArn=aws.state_machine_arn)["executionArn"] for _ in range(2)]
    assert len(set(started)) == 2


def test_two_starts_under_one_name_start_one_execution(machines: Machines) -> None:
    calls = []

    def work(_event: Any, _context: Any) -> None:
        calls.append(1)
        time.sleep(0.2)

    aws = machines(work).aws
    client = aws.client("stepfunctions")
    with ThreadPoolExecutor(4) as pool:
        request = {"stateMachineArn": aws.state_machine_arn, "name": "one", "input": "{}"}
        started = list(pool.map(lambda _: client.start_execution(**request)["executionArn"], range(4)))
    assert aws.wait(started[0], 60)
    assert (len(set(started)), len(calls)) == (1, 1)


def test_a_wait_for_an_execution_that_goes_on_ends_with_its_patience(machines: Machines) -> None:
    goes_on = threading.Event()
    aws = machines(lambda *_: goes_on.wait(10)).aws
    started = aws.client("stepfunctions").start_execution(stateMachineArn=aws.state_machine_arn)["executionArn"]
    assert not aws.wait(started, 0.05)
    goes_on.set()
    assert aws.wait(started, 60)


def test_many_executions_at_once_keep_apart(machines: Machines) -> None:
    machine = machines(lambda event, _: event)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: machine.run(f'{{"n": {number}}}', f"job-{number}"), range(8)))
    assert [json.loads(outcome["output"])["n"] for outcome in outcomes] == list(range(8))


def test_a_port_that_is_taken_is_named(started: Start, tmp_path: Path) -> None:
    with started() as aws:
        other = LocalAws(read_template(tmp_path / "template.yaml"), tmp_path, port=aws.port)
        with pytest.raises(HumanError, match=f"port {aws.port} of 127.0.0.1 is taken"):
            other.start()
