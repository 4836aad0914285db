"""Whole executions of the shipped definition, every function in its container: the same ends as in one process."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import pytest

from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.running import Ran, entered, eventually, history, payload_for, run
from tests.executions.test_lambda_faults import sleeping
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned, problems_of_rolled_back
from tests.sam.conftest import docker
from tests.sam.start_lambda import StartLambda, as_lambda_answers

NAMED = '"AWS_LAMBDA_FUNCTION_NAME=RegisterStorageFunction"'


@pytest.fixture
def everywhere(stack: Stack, start_lambda: StartLambda) -> dict[str, Any]:
    """Where the functions can run."""
    return {"in this process": nullcontext(), "in containers": start_lambda.in_place_of(stack)}


@contextmanager
def storage_that(stack: Stack, answer: Callable[..., Any]) -> Iterator[None]:
    """Replace the storage service's answers to registrations."""
    real = stack.services.store.register

    def register(service: str, *request: Any) -> Any:
        return answer() if service == "storage" else real(service, *request)

    with patch.object(stack.services.store, "register", register):
        yield


def shape(value: Any) -> Any:
    """What is left of a document without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def facts(ran: Ran) -> tuple[str, str | None, str]:
    """Return what is the same for every project: the end, its error, and its cause without the names in it."""
    names = rf"(tenant_\w+|API key [0-9a-f-]+|provisioner/tenants/\S+|due at \S+|{re.escape(ran.job_id)})"
    return ran.status, ran.error, re.sub(names, "...", ran.cause)


def test_a_project_is_provisioned_with_the_same_result(
    stack: Stack, everywhere: dict[str, Any], new_project: NewProject
) -> None:
    outputs, states = [], []
    for place in everywhere.values():
        payload = payload_for(new_project(), "auth", "realtime", "storage", "pooler")
        with place:
            ran = run(stack, payload)
        assert ran.status == "SUCCEEDED", ran.cause
        assert problems_of_provisioned(look(stack, payload["project_id"]), payload) == []
        outputs.append(shape(ran.output))
        states.append(sorted(entered(history(stack, ran.arn))))
    assert outputs[0] == outputs[1]
    assert states[0] == states[1]


def test_a_permanent_error_has_the_same_name_and_is_not_retried(stack: Stack, everywhere: dict[str, Any]) -> None:
    ends = []
    for place in everywhere.values():
        with place:
            ran = run(stack, payload_for("no-such-project"))
        assert ran.waits == []
        ends.append(facts(ran))
    assert ends[0] == ends[1]
    assert ends[0][:2] == ("FAILED", "ProjectNotFound")


def test_a_transient_error_has_the_same_name_and_is_retried(
    stack: Stack, everywhere: dict[str, Any], new_project: NewProject
) -> None:
    ends = []
    for place in everywhere.values():
        project_id = new_project()
        with place, storage_that(stack, lambda: (500, "out of order")):
            ran = run(stack, payload_for(project_id, "auth", "storage"))
        assert ran.waits == [300.0, 300.0]
        assert problems_after_last_look(stack, project_id) == []
        ends.append(facts(ran))
    assert ends[0] == ends[1]
    assert ends[0][:2] == ("FAILED", "ServiceRegistrationFailed")


def test_a_timeout_has_the_same_name_and_is_retried(
    stack: Stack, everywhere: dict[str, Any], new_project: NewProject
) -> None:
    with everywhere["in this process"], never_beginning(stack):
        here = run_into_a_timeout(stack, new_project())
    with everywhere["in containers"], never_ending(stack):
        there = run_into_a_timeout(stack, new_project())
    assert here == there == ("FAILED", "StageTimedOut")


def run_into_a_timeout(stack: Stack, project_id: str) -> tuple[str, str | None]:
    ran = run(stack, payload_for(project_id, "storage"))
    assert ran.waits == [300.0, 300.0]
    assert ": it did not end within its time. " in ran.cause
    assert eventually(lambda: problems_of_rolled_back(look(stack, project_id)) == [])
    return ran.status, ran.error


@contextmanager
def never_ending(stack: Stack) -> Iterator[None]:
    """A function that hangs after its request. A service alone cannot hold one longer than its own timeout."""

    def freeze() -> tuple[int, str]:
        for container in docker("ps", "--quiet"):
            if NAMED in docker("inspect", "--format", "{{json .Config.Env}}", container)[0]:
                # Every process but the first, which is Lambda's.
                docker("exec", container, "sh", "-c", "kill -STOP -1")
        return 503, "nobody hears this"

    with storage_that(stack, freeze):
        yield


@contextmanager
def never_beginning(stack: Stack) -> Iterator[None]:
    """A function that sleeps through its time, which is a tenth of what the template gives."""
    with sleeping(stack, "RegisterStorageFunction"), patch.object(stack.runtime, "_timeout_scale", 0.1):
        yield


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ('{"job_id": "one"}', False),
        ('"Task timed out after 5.00 seconds"', False),
        ("null", False),
        ('{"errorMessage": "no", "errorType": "ProjectNotFound", "requestId": "1", "stackTrace": []}', True),
        ('{"errorMessage": "gone", "errorType": "Runtime.ExitError"}', True),
        ("Task timed out after 5.00 seconds", True),
    ],
)
def test_an_error_is_distinguished_from_a_result_by_its_body(body: str, failed: bool) -> None:
    assert as_lambda_answers(body).failed == failed
