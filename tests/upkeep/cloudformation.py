"""CloudFormation as a custom resource meets it: the address where it waits for an answer, and its API."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from typing_extensions import override

from upkeep.deployment_step import CustomResourceEvent

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/provisioner/1"
NAMESPACE = b'xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"'
ACTION = b"UpdateTerminationProtection"
PROTECTED = b"<%bResponse %b><%bResult/></%bResponse>" % (ACTION, NAMESPACE, ACTION, ACTION)
DESCRIBED = (
    b"<DescribeStacksResponse %b><DescribeStacksResult><Stacks><member><StackName>provisioner</StackName>"
    b"<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>%b</StackStatus></member></Stacks>"
    b"</DescribeStacksResult></DescribeStacksResponse>"
)
REFUSED = b"<ErrorResponse %b><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>" % NAMESPACE


class Waiting(ThreadingHTTPServer):
    """The address at which CloudFormation waits for an answer, which may be busy at first; and its API."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.statuses: list[int] = []
        self.asked: list[dict[str, list[str]]] = []
        self.refuses = False
        self.stack_status = "UPDATE_IN_PROGRESS"
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
        stacks = self.server.asked[-1]["Action"] == ["DescribeStacks"]
        described = DESCRIBED % (NAMESPACE, self.server.stack_status.encode())
        answer = REFUSED if self.server.refuses else described if stacks else PROTECTED
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
