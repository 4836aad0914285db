"""A job whose execution has ended before it opened, and of whose end nobody has heard."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from local.lambda_environment import Handler
from local.stack import Stack
from tests.api.asking import ask, get, post
from tests.api.test_starting import new_payload
from tests.conftest import ORGANIZATION, OWNER
from tests.executions.running import replaced
from tests.requests.sending import arn_of


@pytest.fixture
def job_id(stack: Stack) -> Iterator[str]:
    """Such a job, which a request has asked for: the processes of its only stage and of its failure's have died."""

    def die(handler: Handler, event: object, context: object) -> None:
        raise SystemExit(1)

    def unheard(handler: Handler, event: object, context: object) -> dict[str, list[str]]:
        return {"stopped": []}

    with replaced(stack, "RecordStoppedExecutionsFunction", unheard):
        with ExitStack() as dying:
            for function in ("VerifyProjectFunction", "RecordFailureFunction"):
                dying.enter_context(replaced(stack, function, die))
            job_id = str(post("/v1/projects", new_payload()).body["job_id"])
            assert stack.wait(arn_of(stack, job_id))["status"] == "FAILED"
        yield job_id


def test_it_is_told_as_stopped(job_id: str) -> None:
    found = get(f"/v1/jobs/{job_id}?wait=1")
    assert (found["status"], found["outcome"], found["ending"]["outcome"]) == ("stopped", "stopped", "stopped")
    assert found["ending"]["message"] == "its execution ended with FailureNotRecorded"
    assert found["ending"]["next_command"] == f"provision rollback {job_id}"


@pytest.mark.parametrize("change", ["rollback", "stop"])
def test_its_next_command_leads_to_an_end(job_id: str, change: str) -> None:
    answer = ask("POST", f"/v1/jobs/{job_id}/{change}", key=job_id)
    assert answer.status == 202, answer.body
    found = get(f"/v1/jobs/{answer.body['rollback']}?wait=25")
    assert (found["job_id"], found["outcome"], found["ending"]["left"]) == (job_id, "failed", [])
    assert found["ending"]["message"] == "its execution ended with FailureNotRecorded"
    command = f"provision create {found['project_id']} --org {ORGANIZATION} --owner {OWNER}"
    assert found["ending"]["next_command"] == f"once that is corrected, {command}"


def test_a_retry_says_that_it_has_to_be_rolled_back_first(job_id: str) -> None:
    answer = ask("POST", f"/v1/jobs/{job_id}/retry", key=job_id)
    assert (answer.status, answer.body["type"], answer.body["job_id"]) == (409, "JobNotEligible", job_id)
    assert f"provision rollback {job_id}" in answer.body["detail"]
