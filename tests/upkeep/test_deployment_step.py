import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs

import pytest
import urllib3
from typing_extensions import override

from local.stack import Stack
from upkeep.deployment_step import CustomResourceEvent, deployment_step

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/provisioner/1"
NAMESPACE = b'xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"'
ACTION = b"UpdateTerminationProtection"
PROTECTED = b"<%bResponse %b><%bResult/></%bResponse>" % (ACTION, NAMESPACE, ACTION, ACTION)
REFUSED = b"<ErrorResponse %b><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>" % NAMESPACE


class Waiting(ThreadingHTTPServer):
    """The address at which CloudFormation waits for an answer, which may be busy at first; and its API."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.statuses: list[int] = []
        self.asked: list[dict[str, list[str]]] = []
        self.refuses = False
        super().__init__((address, 0), _Handler)
        self.url = f"http://{address}:{self.server_port}/answer?signature=abc"

    def event(self, request: str, function: str = "MigrateFunction") -> CustomResourceEvent:
        return {
            "RequestType": request,
            "ResponseURL": self.url,
            "StackId": STACK_ID,
            "RequestId": "request-1",
            "LogicalResourceId": "ControlPlaneMigration",
            "ResourceType": "Custom::ControlPlaneMigration",
            "ResourceProperties": {"MigrateFunction": function},
        }


class _Handler(BaseHTTPRequestHandler):
    server: Waiting

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.answers.append(body)
            self.server.content_types.append(self.headers["Content-Type"])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Answer as CloudFormation's API does (its query protocol)."""
        self.server.asked.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        answer = REFUSED if self.server.refuses else PROTECTED
        self.send_response(403 if self.server.refuses else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def waiting(address: str = "127.0.0.1") -> Iterator[Waiting]:
    with Waiting(address) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cloudformation() -> Iterator[Waiting]:
    with waiting() as server:
        yield server


@pytest.fixture
def failing(stack: Stack) -> Iterator[Callable[..., None]]:
    """Have the migrations end with an error."""
    undo: list[Any] = []

    def fail(error: Exception) -> None:
        def migrate(event: object, context: object) -> None:
            raise error

        undo.append(stack.runtime.replaced("MigrateFunction", migrate))
        undo[-1].__enter__()

    yield fail
    for one in undo:
        one.__exit__(None, None, None)


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_cloudformation_hears_that_the_migrations_have_run(
    stack: Stack, cloudformation: Waiting, request_type: str
) -> None:
    deployment_step(cloudformation.event(request_type), None)
    (answer,) = cloudformation.answers
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "ControlPlaneMigration",
        "StackId": STACK_ID,
        "RequestId": "request-1",
        "LogicalResourceId": "ControlPlaneMigration",
    }


def test_the_answer_has_no_content_type_because_its_signature_has_none(stack: Stack, cloudformation: Waiting) -> None:
    deployment_step(cloudformation.event("Create"), None)
    assert cloudformation.content_types == [""]


def test_a_failed_migration_fails_the_deployment_and_says_why(
    stack: Stack, cloudformation: Waiting, failing: Callable[..., None]
) -> None:
    failing(RuntimeError("0002_more: relation exists"))
    deployment_step(cloudformation.event("Update"), None)
    (answer,) = cloudformation.answers
    assert (answer["Status"], answer["Reason"]) == ("FAILED", "RuntimeError: 0002_more: relation exists")


def test_a_migration_that_cannot_be_invoked_fails_the_deployment(stack: Stack, cloudformation: Waiting) -> None:
    deployment_step(cloudformation.event("Create", "NoSuchFunction"), None)
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("the migrations could not be run (")


def test_deleting_the_stack_does_not_touch_the_schema(
    stack: Stack, cloudformation: Waiting, failing: Callable[..., None]
) -> None:
    failing(RuntimeError("must not be invoked"))
    deployment_step(cloudformation.event("Delete"), None)
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


def test_a_busy_cloudformation_is_asked_again(stack: Stack, cloudformation: Waiting) -> None:
    cloudformation.statuses = [503, 500]
    deployment_step(cloudformation.event("Create"), None)
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


def test_an_answer_that_is_not_taken_is_an_error(stack: Stack, cloudformation: Waiting) -> None:
    cloudformation.statuses = [403]
    with pytest.raises(urllib3.exceptions.HTTPError, match="answered 403"):
        deployment_step(cloudformation.event("Create"), None)


def protection(server: Waiting, request: str, enabled: str) -> CustomResourceEvent:
    """The event of the resource that protects the stack."""
    resource = {"LogicalResourceId": "StackProtection", "ResourceType": "Custom::TerminationProtection"}
    return cast(
        "CustomResourceEvent", {**server.event(request), **resource, "ResourceProperties": {"Enabled": enabled}}
    )


@pytest.fixture
def api(cloudformation: Waiting, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """The server also serves as CloudFormation's API: moto has no UpdateTerminationProtection."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", cloudformation.url)
    return cloudformation


@pytest.mark.parametrize("request_type", ["Create", "Update"])
@pytest.mark.parametrize("enabled", ["true", "false"])
@pytest.mark.usefixtures("stack")
def test_a_deployment_sets_the_protection_of_its_own_stack(api: Waiting, request_type: str, enabled: str) -> None:
    deployment_step(protection(api, request_type, enabled), None)
    (asked,) = api.asked
    assert asked["Action"] == ["UpdateTerminationProtection"]
    assert (asked["StackName"], asked["EnableTerminationProtection"]) == ([STACK_ID], [enabled])
    (answer,) = api.answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "StackProtection")


@pytest.mark.usefixtures("stack")
def test_deleting_the_resource_does_not_change_the_protection(api: Waiting) -> None:
    deployment_step(protection(api, "Delete", "true"), None)
    assert api.asked == []
    assert [answer["Status"] for answer in api.answers] == ["SUCCESS"]


@pytest.mark.usefixtures("stack")
def test_a_stack_that_cannot_be_protected_fails_its_deployment(api: Waiting) -> None:
    api.refuses = True
    deployment_step(protection(api, "Create", "true"), None)
    (answer,) = api.answers
    assert (answer["Status"], answer["Reason"]) == (
        "FAILED",
        "termination protection could not be set (ClientError)",
    )
