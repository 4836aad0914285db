import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest

from local import state
from local.errors import HumanError
from local.stack import Stack
from local.template import REPOSITORY
from provisioning.jobs import registry
from provisioning.jobs.registry import state_machine_of
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.ledger.progress import get_summaries
from tests.provisioning.older_server import PROGRAMS, OlderServer

pytestmark = pytest.mark.slow

EVENT = json.loads((REPOSITORY / "events" / "provision_project.json").read_text())
KILLED_IN_A_JOB = """
import json, os, pathlib, signal, sys
from local.stack import Stack

def die(event, context):
    os.kill(os.getpid(), signal.SIGKILL)

stack = Stack(pathlib.Path(sys.argv[1]), fsync=False)
stack.start()
with stack.runtime.replaced("CreateSchemaFunction", die):
    stack.run(json.loads(sys.argv[2]), "killed-job")
"""
KILLED_IN_A_SUSPENSION = """
import json, os, pathlib, signal, sys
from local.stack import Stack
from provisioning.jobs.suspend_project import SUSPEND_PROJECT

def die(event, context):
    os.kill(os.getpid(), signal.SIGKILL)

stack, event = Stack(pathlib.Path(sys.argv[1]), fsync=False), json.loads(sys.argv[2])
stack.start()
stack.run(event)
with stack.runtime.replaced("SuspendServicesFunction", die):
    stack.run({"project_id": event["project_id"]}, "killed-job", job_type=SUSPEND_PROJECT.job_type)
"""


def tenant_connection(stack: Stack, outcome: dict[str, Any]) -> Any:
    arn = json.loads(outcome["output"])["secret_arn"]
    issued = json.loads(stack.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    return psycopg2.connect(
        host=issued["host"],
        port=issued["port"],
        dbname=issued["dbname"],
        user=issued["username"],
        password=issued["password"],
    )


def test_the_sample_event_is_provisioned_and_survives_a_restart(tmp_path: Path) -> None:
    with Stack(tmp_path, fsync=False) as stack:
        outcome = stack.run(EVENT)
        assert outcome["status"] == "SUCCEEDED"
        addresses = state.read(tmp_path)
    with Stack(tmp_path, fsync=False) as stack:
        tenant_connection(stack, outcome).close()
        assert list(stack.services.store.tenants("auth")) == [json.loads(outcome["output"])["tenant_id"]]
        assert stack.run(EVENT)["error"] == "ProjectNotEligible"
        assert state.read(tmp_path) == addresses


def test_the_environment_is_the_functions_while_it_runs_and_the_users_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-users-own")
    before = dict(os.environ)
    with Stack(tmp_path, fsync=False) as stack:
        assert "AWS_PROFILE" not in os.environ
        assert os.environ["AWS_ENDPOINT_URL"] == stack.endpoint_url
        assert boto3.client("stepfunctions").list_state_machines()["stateMachines"]
    assert dict(os.environ) == before


def test_only_its_owner_can_read_what_a_stack_leaves(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "secrets"):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o777)
    with Stack(tmp_path, fsync=False) as stack:
        stack.run(EVENT)
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path, *tmp_path.rglob("*")]}
    own = {path: mode for path, mode in found.items() if path.relative_to(tmp_path).parts[:2] != ("postgres", "data")}
    assert {"stack.json", "credentials", "lambda.log", "moto.log", "registrations.sqlite3"} <= {one.name for one in own}
    # Root lets PostgreSQL's user pass through the state directory.
    assert {oct(mode) for mode in own.values()} <= {"0o600", "0o700", "0o701"}
    assert found[tmp_path / "postgres" / "data"] == 0o700


def test_no_secret_is_in_the_environment_or_the_record(tmp_path: Path) -> None:
    with Stack(tmp_path, fsync=False) as stack:
        assert stack.aws.key.secret not in (tmp_path / "stack.json").read_text()
        client = stack.client("secretsmanager")
        kept = [
            client.get_secret_value(SecretId=one["ARN"])["SecretString"] for one in client.list_secrets()["SecretList"]
        ]
        words = {value for text in kept for name, value in json.loads(text).items() if len(str(value)) > 30}
        visible = (tmp_path / "stack.json").read_text() + repr(dict(os.environ))
    assert len(words) == 6
    assert not [word for word in words if word in visible]


def test_a_second_stack_on_the_same_state_is_refused(tmp_path: Path) -> None:
    with Stack(tmp_path, fsync=False):
        assert state.holder(tmp_path) == os.getpid()
        with pytest.raises(HumanError, match="already running"):
            Stack(tmp_path, fsync=False).start()
    assert state.holder(tmp_path) is None


def test_a_job_whose_stack_was_killed_resumes_at_the_next_start(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_JOB, str(tmp_path), json.dumps(EVENT)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Stack(tmp_path, fsync=False) as stack:
        arn = f"{stack.state_machine_arn.replace(':stateMachine:', ':execution:')}:killed-job"
        assert stack.wait(arn)["status"] == "SUCCEEDED"


def test_a_killed_job_of_any_type_resumes_in_the_state_machine_of_its_type(tmp_path: Path) -> None:
    program = [sys.executable, "-c", KILLED_IN_A_SUSPENSION, str(tmp_path), json.dumps(EVENT)]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    with Stack(tmp_path, fsync=False) as stack:
        machine = state_machine_of(stack.state_machine_arn, SUSPEND_PROJECT.job_type)
        assert stack.wait(f"{machine.replace(':stateMachine:', ':execution:')}:killed-job")["status"] == "SUCCEEDED"


@pytest.mark.parametrize("on_purpose", [True, False], ids=["stopped by somebody", "stopped with the stack"])
def test_a_job_stopped_on_purpose_is_not_started_again_with_the_stack(tmp_path: Path, *, on_purpose: bool) -> None:
    def fail(_event: Any, _context: Any) -> None:
        raise ValueError

    with Stack(tmp_path, fsync=False) as stack, stack.runtime.replaced("CreateSchemaFunction", fail):
        arn = stack.start_execution(EVENT, "stopped-job")
        while not stack.clock.waits:
            time.sleep(0.01)
        if on_purpose:
            stack.client("stepfunctions").stop_execution(executionArn=arn)
            assert stack.wait(arn, timeout=5)["status"] == "ABORTED"
    with Stack(tmp_path, fsync=False) as stack:
        started = stack.client("stepfunctions").list_executions(stateMachineArn=stack.state_machine_arn)["executions"]
        assert [one["name"] for one in started] == ([] if on_purpose else ["stopped-job"])
        assert on_purpose or stack.wait(arn)["status"] == "SUCCEEDED"
        assert get_summaries(["stopped-job"])["stopped-job"].status == ("stopped" if on_purpose else "succeeded")


@pytest.mark.skipif(not PROGRAMS.exists(), reason="there is no PostgreSQL 15")
def test_the_cluster_of_the_laptop_has_the_version_of_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.stack.PostgresServer", OlderServer)
    with Stack(tmp_path, fsync=False) as stack:
        refused = stack.run(EVENT)
        assert refused["error"] == "RegionNotAvailable"
        assert "offers postgresql 18 as db.t3.micro: there is postgresql 15 as db.t3.micro in us" in refused["cause"]
        outcome = stack.run(EVENT | {"database": {"version": "15"}})
        assert json.loads(outcome["output"])["database"]["version"] == "15"


def test_a_stack_does_not_start_without_a_handler_for_every_job_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(registry._handlers, SUSPEND_PROJECT.job_type)
    with pytest.raises(LookupError, match="job types without a handler: suspend_project"):
        Stack(tmp_path, fsync=False).start()


def test_stopping_ends_a_wait_of_300_seconds(tmp_path: Path) -> None:
    def fail(_event: Any, _context: Any) -> None:
        raise ValueError

    with Stack(tmp_path, fsync=False) as stack:
        with stack.runtime.replaced("VerifyProjectFunction", fail):
            stack.start_execution(EVENT)
            while not stack.clock.waits:
                time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 5
