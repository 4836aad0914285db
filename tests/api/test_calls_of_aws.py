"""The AWS calls of the HTTP API's function: each is allowed by its role, and bounded where nobody answers."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from local import http_api
from local.stack import Stack
from provisioning.jobs import executions
from tests import shipped
from tests.api.asking import event, get, post
from tests.api.test_changing import outcome_is, running
from tests.api.test_starting import new_payload
from tests.aws_calls import Call, recorded
from tests.grants import granted

pytestmark = pytest.mark.slow

LONGEST_SECONDS = 20
"""The function has 29, of which a machine that tests something else at the same time may take some."""


@contextmanager
def silent(answers_connections: bool) -> Iterator[str]:
    """The address of a server that accepts connections and never answers, or, like a missing route, not even these."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(128 if answers_connections else 0)
        if not answers_connections:
            # They fill the queue of a server that accepts none. Linux then drops the next one's SYN.
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("answers_connections", [False, True])
def test_a_request_that_does_not_reach_step_functions_is_answered_in_time(
    stack: Stack, answers_connections: bool
) -> None:
    payload, key = new_payload(), uuid.uuid4().hex
    with (
        silent(answers_connections) as address,
        patch.object(executions, "_client", lambda: executions._client_at(address, "")),
    ):
        began = time.monotonic()
        answer = post("/v1/projects", payload, key)
        assert time.monotonic() - began < LONGEST_SECONDS
    assert (answer.status, answer.body["type"]) == (503, "StepFunctionsUnavailable")
    again = post("/v1/projects", payload, key)
    assert (again.status, again.body["is_repeated"]) == (202, True)
    assert get(f"/v1/jobs/{again.body['job_id']}?wait=25")["outcome"] == "succeeded"


def test_a_running_job_is_described_from_the_ledger_if_nobody_else_can_tell(stack: Stack, project_id: str) -> None:
    with (
        running(stack, project_id) as job_id,
        silent(answers_connections=False) as address,
        patch.object(executions, "_client", lambda: executions._client_at(address, "")),
    ):
        assert get(f"/v1/jobs/{job_id}")["status"] == "running"
    assert outcome_is(job_id, "succeeded")


def test_the_role_allows_the_calls_of_its_function_and_no_other(stack: Stack, project_id: str) -> None:
    stack.runtime.renew()
    calls: set[Call] = set()
    with running(stack, project_id) as job_id:
        asked = event("POST", f"/v1/jobs/{job_id}/stop") | {"body": "{}"}
        asked["headers"] |= {"idempotency-key": uuid.uuid4().hex}
        with recorded(calls):
            answer = json.loads(stack.runtime.invoke(http_api.FUNCTION, json.dumps(asked)).payload)
        assert answer["statusCode"] == 202, answer
    assert outcome_is(job_id, "rolled_back")
    called = {call for call in calls if call.who == http_api.FUNCTION}
    allowed = {action for who, action, _ in granted() if who == "AnswerRequestRole" and action.startswith("states:")}
    assert {f"states:{call.operation}" for call in called if call.service == "stepfunctions"} == allowed
    (secret,) = {call for call in called if call.service != "stepfunctions"}
    assert (secret.service, secret.operation) == ("secretsmanager", "GetSecretValue")
    first = next(shipped.statements(shipped.made("AWS::IAM::ManagedPolicy")["EveryStagePolicy"]["PolicyDocument"]))
    assert first["Resource"] == {"Ref": "ControlPlaneSecretArn"}
    assert "control-plane" in secret.on
