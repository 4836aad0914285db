"""How large a payload may be, where it is sent and while its execution runs.

A state's input, its input after Parameters and its output may each have 262,144 bytes. Beyond that an execution ends
with States.DataLimitExceeded, which States.ALL does not catch:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from cli.app import app
from local.stack import Stack
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from provisioning.jobs.rules import PAYLOAD_MAXIMUM_BYTES
from tests.executions.running import execute, history, run
from tests.hostile_input.test_hostile_executions import LARGEST_INPUT
from tests.hostile_payloads import sent

PASSED_ON = {"input", "output", "parameters"}


def of_bytes(size: int) -> str:
    """A payload, as the text that is sent, of this many bytes."""
    return sent(metadata={"note": "x" * (size - len(sent(metadata={"note": ""})))})


def sizes(event: Any) -> Iterator[int]:
    """Yield the bytes of each document that an event of an execution's history says was passed on."""
    for name, value in event.items():
        if isinstance(value, dict):
            yield from sizes(value)
        elif name in PASSED_ON:
            yield len(value.encode())


def executions(stack: Stack) -> int:
    arns = [state_machine_of(stack.state_machine_arn, job_type) for job_type in DECLARATIONS]
    listed = stack.client("stepfunctions").get_paginator("list_executions")
    return sum(len(page["executions"]) for arn in arns for page in listed.paginate(stateMachineArn=arn))


@pytest.mark.parametrize("size", [PAYLOAD_MAXIMUM_BYTES, LARGEST_INPUT])
def test_the_command_refuses_a_payload_that_is_too_large_and_starts_nothing(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    before = executions(stack)
    (tmp_path / "payload.json").write_text(of_bytes(size))
    with pytest.raises(SystemExit) as ended:
        app(["create", "--from", str(tmp_path / "payload.json"), "--state-dir", str(stack.state_directory)])
    assert ended.value.code == 2
    assert "metadata: must be at most 16384 bytes as JSON" in capsys.readouterr().err
    assert executions(stack) == before


def test_the_largest_payload_that_is_sent_keeps_its_execution_within_the_quota(stack: Stack) -> None:
    ran = run(stack, of_bytes(PAYLOAD_MAXIMUM_BYTES))
    assert (ran.status, ran.error) == ("FAILED", "InvalidPayload")
    passed_on = [size for event in history(stack, ran.arn) for size in sizes(event)]
    assert PAYLOAD_MAXIMUM_BYTES <= max(passed_on) <= LARGEST_INPUT - 32 * 1024, "room for what is caught"


def test_an_execution_that_dies_of_its_size_opens_no_job_and_is_recorded_as_stopped(stack: Stack) -> None:
    """A payload that opens a job is far smaller: every field that it may have is bounded."""
    ran = run(stack, of_bytes(LARGEST_INPUT))
    assert (ran.status, ran.error, ran.waits) == ("FAILED", "States.DataLimitExceeded", [])
    stack.wait(ran.arn)
    asked = sql.SQL("SELECT status, payload, last_error_message FROM control_plane.jobs WHERE job_id = {}")
    recorded = execute(stack, asked.format(sql.Literal(ran.job_id)), "control_plane")
    assert recorded == [("stopped", None, "its execution ended with States.DataLimitExceeded")]
