"""The laptop's HTTP API: a signed request becomes the event that API Gateway makes of it, and reaches the handler."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local import http_api
from local.access_key import AccessKey
from local.aws_client import REGION
from local.lambda_environment import Handler
from local.stack import Stack
from local.template import REPOSITORY
from tests.executions.running import payload_for, run

Answer = tuple[int, Mapping[str, str], Any]


def send(stack: Stack, method: str, address: str, body: bytes = b"", key: AccessKey | None = None) -> Answer:
    """Send a signed request to the stack's HTTP API."""
    key, url = key or stack.aws.key, f"{stack.endpoint_url}{address}"
    request = AWSRequest(method, url, {"Content-Type": "application/json"}, body)
    SigV4Auth(Credentials(key.key_id, key.secret), http_api.SERVICE, REGION).add_auth(request)
    answered = urllib3.request(method, url, body=body, headers=dict(request.headers), retries=False)
    return answered.status, answered.headers, json.loads(answered.data)


def event_of(method: str, uri: str, body: bytes = b"", **more: str) -> dict[str, Any]:
    environ = {"REQUEST_METHOD": method, "RAW_URI": uri, "HTTP_HOST": "127.0.0.1:1", **more}
    return http_api.event_of(environ, body, "123456789012", ["GET /v1/jobs/{job_id}", "POST /v1/jobs/{job_id}/stop"])


def test_a_signed_request_is_answered_by_the_shipped_handler(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id), f"a+b=(c)'é@{project_id}")
    status, headers, found = send(stack, "GET", f"/v1/jobs/a%2Bb=(c)'%C3%A9%40{project_id}?wait=1")
    assert (status, headers["Content-Type"], found["job_id"]) == (200, "application/json", ran.job_id)
    assert send(stack, "GET", f"/v1/jobs?project_id={project_id}")[2]["jobs"][0]["job_id"] == ran.job_id


def test_a_request_that_is_not_signed_with_the_key_is_refused(stack: Stack) -> None:
    for key in (AccessKey("AKIALOCAL", "local"), AccessKey(stack.aws.key.key_id, "another")):
        assert send(stack, "GET", "/v1/projects", key=key)[0] == 403
    assert urllib3.request("GET", f"{stack.endpoint_url}/v1/projects", retries=False).status == 403


def test_the_documents_command_works_with_curl(stack: Stack, project_id: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (command,) = re.findall(r"^\$ (curl .*)$", (REPOSITORY / "docs" / "api.md").read_text(), re.MULTILINE)
    (tmp_path / ".provisioner").symlink_to(stack.state_directory)
    here = command.replace("http://127.0.0.1:8083", stack.endpoint_url)
    done = subprocess.run(["bash", "-c", here], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert project_id in {project["project_id"] for project in json.loads(done.stdout)["projects"]}


def test_a_problem_reaches_the_caller_with_its_headers(stack: Stack) -> None:
    status, headers, problem = send(stack, "DELETE", "/v1/projects")
    assert (status, headers["Allow"], headers["Content-Type"]) == (405, "GET, POST", "application/problem+json")
    assert problem["status"] == 405
    assert send(stack, "GET", "/v1/nothing")[0] == 404


def test_an_escaped_slash_leads_to_no_other_route(stack: Stack, project_id: str) -> None:
    assert send(stack, "GET", f"/v1/projects/{project_id}%2Fapi-keys")[0] == 404
    assert send(stack, "GET", f"/v1/projects/{project_id}/api-keys")[0] == 200


@pytest.mark.parametrize("result", [RuntimeError("squirrel"), {"statusCode": "x"}, {"statusCode": 200, "headers": 1}])
def test_a_function_that_fails_is_status_500(stack: Stack, result: object) -> None:
    def handler(event: Any, context: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    replaced: Handler = handler
    with stack.runtime.replaced(http_api.FUNCTION, replaced):
        status, _, body = send(stack, "GET", "/v1/projects")
    assert (status, body) == (500, {"message": "Internal Server Error"})


def test_the_path_of_an_event_is_decoded_and_its_route_found_before() -> None:
    event = event_of("GET", "/v1/jobs/a%2Fstop%20%C3%A9?x=1&y=a%20b&x=2")
    assert (event["routeKey"], event["rawPath"]) == ("GET /v1/jobs/{job_id}", "/v1/jobs/a/stop é")
    assert event["pathParameters"] == {"job_id": "a/stop é"}
    assert event["queryStringParameters"] == {"x": "1,2", "y": "a b"}
    assert event["requestContext"]["http"]["path"] == "/v1/jobs/a/stop é"
    assert event_of("POST", "/v1/jobs/a%2Fstop")["routeKey"] == "$default"
    assert event_of("POST", "/v1/jobs/a/stop")["routeKey"] == "POST /v1/jobs/{job_id}/stop"


def test_the_event_says_who_has_signed_and_not_with_what(stack: Stack) -> None:
    seen: list[dict[str, Any]] = []

    def handler(event: Any, context: Any) -> Any:
        seen.append(event)
        return {"statusCode": 200, "body": "{}"}

    with stack.runtime.replaced(http_api.FUNCTION, handler):
        send(stack, "POST", "/v1/projects", b'{"a": "\xc3\xa9"}')
    (event,) = seen
    assert event["requestContext"]["authorizer"]["iam"]["accessKey"] == stack.aws.key.key_id
    assert event["requestContext"]["authorizer"]["iam"]["accountId"] == "123456789012"
    assert "authorization" not in event["headers"]
    assert stack.aws.key.secret not in json.dumps(event)
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": "é"}', False)


def test_a_body_that_is_no_text_is_sent_in_base64() -> None:
    event = event_of("POST", "/v1/jobs/a/stop", b"\xff\x00")
    assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)
    assert "body" not in event_of("POST", "/v1/jobs/a/stop")
