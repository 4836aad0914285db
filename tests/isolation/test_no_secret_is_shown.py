"""No secret of full runs, one that succeeds and some that fail, is in any byte of their output."""

import base64
import json
import logging
import traceback
from contextlib import closing

import psycopg2
import pytest
from moto.logs.models import logs_backends
from psycopg2 import sql

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.cloudwatch_logs import deliver
from local.stack import Stack
from provisioning import postgres
from provisioning.aws import secrets as secrets_manager
from provisioning.errors import ProvisioningError
from tests.conftest import NewProject
from tests.executions.running import SERVICES, execute, history, keep_logs, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.isolation.secret_search import Secrets, forms, found_in


def log_events(stack: Stack) -> list[str]:
    """Return every line in the laptop's CloudWatch Logs."""
    backend = logs_backends[ACCOUNT][REGION]
    deliver(stack.runtime._output, backend)
    return [
        f"{place}/{name}: {event.message}"
        for place, group in backend.groups.items()
        for name, stream in group.streams.items()
        for event in stream.events
    ]


class Before:
    """The length of each log before, so that other tests' output is not searched repeatedly."""

    def __init__(self, stack: Stack) -> None:
        self.events = set(log_events(stack))
        self.handlers = (stack.state_directory / "lambda.log").stat().st_size
        self.postgres = stack.postgres._log.stat().st_size


def outputs(stack: Stack, executions: list[str], before: Before) -> dict[str, bytes]:
    """Return every byte that the executions wrote where somebody may read it."""
    events = [event for event in log_events(stack) if event not in before.events]
    step_functions = stack.client("stepfunctions")
    return {
        "execution history": json.dumps([history(stack, arn) for arn in executions], default=str).encode(),
        "executions": json.dumps(
            [step_functions.describe_execution(executionArn=arn) for arn in executions], default=str
        ).encode(),
        "CloudWatch logs": "\n".join(events).encode(),
        "file of the handlers' output": (stack.state_directory / "lambda.log").read_bytes()[before.handlers :],
        "log of PostgreSQL": stack.postgres._log.read_bytes()[before.postgres :],
        "registration services": b"".join(
            file.read_bytes() for file in stack.state_directory.glob("registrations.sqlite3*")
        ),
        **tables(stack),
    }


def tables(stack: Stack) -> dict[str, bytes]:
    """Return every row of every table of the control plane."""
    names = execute(
        stack,
        "SELECT schemaname::text, tablename::text FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
        "control_plane",
    )
    rows = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t")
    return {
        f"table {'.'.join(name)}": repr(execute(stack, rows.format(sql.Identifier(*name)), "control_plane")).encode()
        for name in names
    }


@pytest.fixture(scope="module")
def everything(stack: Stack, new_project: NewProject) -> tuple[dict[str, str], dict[str, bytes]]:
    """Run one execution that succeeds and one that fails at each stage, and return the secrets and the outputs."""
    keep_logs(stack)
    secrets, before = Secrets(stack), Before(stack)
    keys = {"count": 3, "prefix": "grep"}
    executions = [run(stack, payload_for(new_project(), *SERVICES, api_keys=keys)).arn]
    secrets.gather()
    remove = secrets_manager.remove

    def gather_and_remove(name: str, *, removed_before: bool) -> bool:
        secrets.gather()
        return remove(name, removed_before=removed_before)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(secrets_manager, "remove", gather_and_remove)
        for stage in ("creating_database", "creating_schema", "registering_auth", "generating_api_keys", "finalizing"):
            for fault in (Fault.ERROR, Fault.ANSWER_LOST):
                with failing(stack, STAGES[stage], fault):
                    executions.append(run(stack, payload_for(new_project(), *SERVICES, api_keys=keys)).arn)
    return secrets.named, outputs(stack, executions, before)


def test_no_secret_is_in_any_output(everything: tuple[dict[str, str], dict[str, bytes]]) -> None:
    secrets, written = everything
    shown = {place: names for place, output in written.items() if (names := found_in(output, secrets))}
    assert shown == {}


def test_the_secrets_are_those_of_the_runs_and_the_outputs_have_something_in_them(
    everything: tuple[dict[str, str], dict[str, bytes]],
) -> None:
    secrets, written = everything
    kinds = {
        "password": [name for name in secrets if "tenants/" in name and ": password" in name],
        "keys": [name for name in secrets if "api_keys" in name],
        "tokens": [name for name in secrets if "service-tokens" in name],
        "control plane": [name for name in secrets if "control-plane" in name],
        "admin": [name for name in secrets if "clusters/" in name],
    }
    # Those that failed after their database was made also had a password, and some of them keys.
    assert len(kinds["password"]) > 1
    assert len(kinds["keys"]) > 3
    assert len(kinds["tokens"]) == 4
    assert kinds["control plane"]
    assert kinds["admin"]
    assert {place for place, output in written.items() if len(output) < 100} <= {
        place for place in written if place.startswith("table ")
    }
    assert b"CREATE ROLE" in written["log of PostgreSQL"], "log_statement = all"
    assert b"creating_database" in written["CloudWatch logs"]


@pytest.mark.parametrize("written_as", range(10))
def test_a_secret_that_is_shown_is_found_however_it_is_written(
    everything: tuple[dict[str, str], dict[str, bytes]], written_as: int
) -> None:
    secrets, written = everything
    for name, secret in secrets.items():
        shown = list(forms(secret))[written_as]
        assert name in found_in(written["executions"] + b"..." + shown + b"...", {name: secret})


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_a_secret_inside_base64_is_found_wherever_it_begins(before: str) -> None:
    secret = "kT3-_9zQpLmW7xVb2NcR5sYd8fGh1JtA"
    encoded = base64.b64encode(f"{before}{secret}, and what comes after it".encode())
    assert found_in(encoded, {"planted": secret}) == ["planted"]


def test_a_secret_in_a_statement_or_in_a_log_record_is_found(stack: Stack) -> None:
    secret = "planted-kT3-_9zQpLmW7xVb2NcR5sYd8fGh1JtA"
    execute(stack, sql.SQL("SELECT {}").format(sql.Literal(secret)))
    assert found_in(stack.postgres._log.read_bytes(), {"planted": secret}) == ["planted"]


def test_no_exception_says_the_credentials_that_it_was_about(
    stack: Stack, attacker_secret: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    attempts = (
        {"port": 1},
        {"host": "no.such.host.invalid"},
        {"dbname": "no_such_database"},
        {"password": attacker_secret["password"] + "x"},
        {"username": "nobody"},
    )
    with caplog.at_level(logging.DEBUG):
        for change in attempts:
            try:
                postgres.connect(attacker_secret | change, statement_timeout_seconds=5).close()
            except psycopg2.Error as error:
                for shown in (error, postgres.translate(error, ProvisioningError)):
                    said += [str(shown), repr(shown), *traceback.format_exception(shown)]
    assert len(said) >= 2 * len(attempts)
    assert attacker_secret["password"] not in "\n".join(said) + caplog.text


@pytest.fixture
def attacker_secret(stack: Stack, project_id: str) -> dict[str, str]:
    """The credentials of a tenant."""
    run(stack, payload_for(project_id))
    of_project = sql.SQL("SELECT secret_arn FROM control_plane.tenants WHERE project_id = {}")
    ((arn,),) = execute(stack, of_project.format(sql.Literal(project_id)), "control_plane")
    secret = stack.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    document: dict[str, str] = json.loads(secret)
    with closing(postgres.connect(document, statement_timeout_seconds=5)):
        return document
