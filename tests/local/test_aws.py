import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import LocalAws
from local.errors import HumanError
from local.template import read_template
from tests.local.conftest import Machines, Start


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


def test_what_moto_cannot_do_is_in_its_log_and_not_on_the_terminal(
    started: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with started() as aws, pytest.raises(ClientError, match="500"):
        aws.client("secretsmanager").stop_replication_to_replica(SecretId="a")
    assert "stop_replication_to_replica" in (tmp_path / "moto.log").read_text()
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_named(started: Start, tmp_path: Path) -> None:
    with started() as aws:
        other = LocalAws(read_template(tmp_path / "template.yaml"), tmp_path, port=aws.port)
        with pytest.raises(HumanError, match=f"port {aws.port} of 127.0.0.1 is taken"):
            other.start()
