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
from provisioning.jobs.declaration import JobType
from provisioning.jobs.executions import roll_back
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import StepFunctions, get_job_handler, job_type_of
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.local.conftest import SEVERAL, Machine, Machines, Start


@pytest.fixture
def several(machines: Machines, tmp_path: Path) -> Machine:
    """The state machines of two job types, with one function that returns its input."""
    (tmp_path / "several.yaml").write_text(SEVERAL)
    return machines(lambda event, _: event, shipped=read_template(tmp_path / "several.yaml"))


def test_every_state_machine_of_the_template_is_there_under_its_own_name(several: Machine) -> None:
    listed = several.aws.client("stepfunctions").list_state_machines()["stateMachines"]
    assert {one["name"] for one in listed} == {"laptop-provision-project", "laptop-suspend-project"}


def test_the_state_machine_that_provisions_is_the_one_that_others_are_found_from(several: Machine) -> None:
    assert job_type_of(several.aws.state_machine_arn) == PROVISION_PROJECT.job_type


@pytest.mark.parametrize("job_type", [PROVISION_PROJECT.job_type, SUSPEND_PROJECT.job_type])
def test_a_job_and_its_rollback_run_in_the_state_machine_of_their_type(several: Machine, job_type: JobType) -> None:
    place = StepFunctions(several.aws.client("stepfunctions"), several.aws.state_machine_arn)
    job = get_job_handler(job_type)({"project_id": "p"}, "job", place)
    for started in (job, roll_back(job_type, "job", place)):
        assert several.aws.wait(started.execution_arn, 60)
        assert job_type_of(started.execution_arn) == job_type


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


def test_a_wait_for_a_running_execution_ends_after_its_timeout(machines: Machines) -> None:
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
