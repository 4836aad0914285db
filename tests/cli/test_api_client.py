"""The client of the HTTP API, against the stack's own: signed, repeated under one key, and with typed problems."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.requests import answer_request
from cli import api_target
from cli.api_client import Api, new_key
from cli.api_problems import ApiProblem, ApiUnreachable
from local import http_api
from local.access_key import PROFILE
from local.errors import HumanError
from local.stack import Stack
from tests.cli.losing import losing_answers
from tests.conftest import ORGANIZATION, OWNER, NewProject
from tests.executions.running import eventually, payload_for

Handler = Callable[[Any, Any], Any]


@pytest.fixture
def api(stack: Stack) -> Api:
    """The client as every command has it, except that it repeats at once."""
    found = api_target.find(stack.state_directory, None)
    found.pauses = (0, 0)
    return found


def failing_first(*answers: dict[str, Any]) -> tuple[Handler, list[str]]:
    """Return a handler that gives these answers before those of the shipped one, and the keys that it was sent."""
    keys: list[str] = []

    def handler(event: Any, context: Any) -> Any:
        keys.append(event["headers"].get("idempotency-key", ""))
        return answers[len(keys) - 1] if len(keys) <= len(answers) else answer_request(event, context)

    return handler, keys


def problem(status: int, document: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(document)}


BUSY = [
    problem(429, {"message": "Too Many Requests"}),
    problem(503, {"message": "Service Unavailable"}),
    problem(500, {"message": "Internal Server Error"}),
    problem(503, {"type": "ControlPlaneUnavailable", "detail": "the control plane does not answer"}),
]


@pytest.mark.parametrize("answer", BUSY, ids=["throttled", "busy", "failed", "control plane"])
def test_what_may_pass_is_repeated_under_the_same_key(stack: Stack, api: Api, answer: dict[str, Any]) -> None:
    handler, keys = failing_first(answer, answer)
    with stack.runtime.replaced(http_api.FUNCTION, handler), pytest.raises(ApiProblem) as raised:
        api.post("/v1/jobs/nobody/retry")
    assert raised.value.type == "JobNotFound"
    assert len(keys) == 3
    assert len({*keys, ""}) == 2


@pytest.mark.parametrize(
    "answer",
    [
        problem(429, {"type": "OrganizationQuotaExceeded", "detail": "3 of 3 projects"}),
        problem(500, {"type": "Misconfigured", "detail": "the setting X is missing"}),
        problem(409, {"type": "ProjectNotEligible", "detail": "no", "job_id": "j", "ending": {"text": "failed"}}),
        problem(403, {"message": "Forbidden"}),
    ],
    ids=["quota", "misconfigured", "refused", "forbidden"],
)
def test_what_no_repetition_changes_is_asked_once(stack: Stack, api: Api, answer: dict[str, Any]) -> None:
    handler, keys = failing_first(answer, answer)
    with stack.runtime.replaced(http_api.FUNCTION, handler), pytest.raises(ApiProblem) as raised:
        api.get("/v1/projects")
    assert len(keys) == 1
    sent = json.loads(answer["body"])
    assert raised.value.status == answer["statusCode"]
    assert (raised.value.job_id, raised.value.ending) == (sent.get("job_id"), sent.get("ending"))
    assert sent.get("detail", sent.get("message")) in str(raised.value)


def test_a_project_whose_answers_are_lost_is_made_once(
    stack: Stack, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    project_id = f"lost-{new_key()[:8]}"
    payload = payload_for(project_id) | {"organization_id": ORGANIZATION, "owner_id": OWNER}
    with losing_answers(stack.endpoint_url, 2) as address:
        api.endpoint = address
        made = api.post("/v1/projects", payload)
        assert made["is_repeated"]
        assert eventually(lambda: api.job(made["job_id"])["outcome"] == "succeeded")
    api.endpoint = stack.endpoint_url
    jobs, is_cut = api.rows("/v1/jobs", "jobs", 10, project_id=project_id)
    assert ([job["job_id"] for job in jobs], is_cut) == ([made["job_id"]], False)
    assert capsys.readouterr().err.count("does not answer: trying again") == 2


def test_an_endpoint_that_never_answers_is_named(stack: Stack, api: Api) -> None:
    with losing_answers(stack.endpoint_url, 3) as address:
        api.endpoint = address
        with pytest.raises(ApiUnreachable, match=f"^{address} does not answer: "):
            api.get("/v1/projects")


def test_all_problems_of_a_request_are_in_the_error(api: Api) -> None:
    with pytest.raises(ApiProblem) as raised:
        api.post("/v1/projects", {"project_id": "a b", "api_keys": {"count": 0}, "region": "us-east-1"})
    places = {fault.place for fault in raised.value.faults}
    assert places >= {"project_id", "api_keys.count", "organization_id", "owner_id"}
    assert (raised.value.status, raised.value.type) == (400, "InvalidPayload")
    assert [place for place in places if place not in str(raised.value)] == []


def test_a_list_is_read_to_as_many_rows_as_are_asked_for(api: Api, new_project: NewProject) -> None:
    made = [new_project() for _ in range(3)]
    rows, is_cut = api.rows("/v1/projects", "projects", 2)
    assert [row["project_id"] for row in rows] == made[:0:-1]
    assert is_cut
    api_reading = [row["project_id"] for row in api.rows("/v1/projects", "projects", 10_000)[0]]
    assert api_reading[:3] == made[::-1]


def test_an_answer_says_which_deployment_it_is(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.get("/v1/projects")
    api_target.announce(api, "shop")
    said = "account 123456789012, region us-east-1, stack laptop, project shop"
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_an_endpoint_is_asked_with_the_callers_own_key(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(stack.state_directory / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    found = api_target.find(Path("nowhere"), stack.endpoint_url, PROFILE, "us-east-1")
    assert found.get("/v1/projects")["projects"] is not None
    with pytest.raises(HumanError, match=r"the region of .* is not known: give --aws-region"):
        api_target.find(Path("nowhere"), stack.endpoint_url, PROFILE)


def test_another_key_is_refused_in_words(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    with pytest.raises(ApiProblem, match=r"^the API answers with 403: the access key is not that of this laptop stack"):
        api_target.find(Path("nowhere"), stack.endpoint_url, None, "us-east-1").get("/v1/projects")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://abc.execute-api.eu-west-1.amazonaws.com", "is not encrypted"),
        ("ftp://abc", "is no address"),
        ("abc", "is no address"),
    ],
)
def test_an_address_that_must_not_be_used_is_refused(address: str, said: str) -> None:
    with pytest.raises(HumanError, match=said):
        api_target.find(Path("nowhere"), address)


def test_the_region_is_that_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    found = api_target.find(Path("nowhere"), "https://abc123.execute-api.eu-west-1.amazonaws.com")
    assert found.key.region == "eu-west-1"
