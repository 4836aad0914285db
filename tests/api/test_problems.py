"""What the API answers to requests that it cannot serve: problems, as RFC 9457 has them."""

import re
from unittest.mock import patch

import pytest

from api.routes import ROUTES
from local.stack import Stack
from local.template import REPOSITORY
from provisioning import control_plane, errors
from provisioning.errors import ControlPlaneUnavailable, PermanentError, TransientError
from tests.api.asking import ask


def test_all_rules_that_a_request_breaks_are_named_at_once(stack: Stack) -> None:
    answer = ask("GET", "/v1/jobs?limit=0&status=NO%20SUCH&project_id=%00&cursor=!")
    assert (answer.status, answer.type) == (400, "application/problem+json")
    assert (answer.body["type"], answer.body["title"], answer.body["status"]) == ("InvalidPayload", "Bad Request", 400)
    assert [fault["parameter"] for fault in answer.body["errors"]] == ["project_id", "status", "limit", "cursor"]
    assert all(fault["detail"] for fault in answer.body["errors"])


def test_a_problem_never_repeats_a_value(stack: Stack) -> None:
    answer = ask("GET", "/v1/jobs?limit=squirrel&wait=squirrel&status=SQUIRREL&project_id=-squirrel")
    assert "squirrel" not in str(answer.body).lower()


@pytest.mark.parametrize("wait", ["26", "-1", "1.5", "", "soon"])
def test_a_wait_that_is_too_long_or_no_number_is_a_problem(stack: Stack, wait: str) -> None:
    answer = ask("GET", f"/v1/jobs/nothing?wait={wait}")
    assert (answer.status, [fault["parameter"] for fault in answer.body["errors"]]) == (400, ["wait"])


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/projects", "/v1/projects/", "/v1/projects/a/b", "/v1/jobs/a/steps", "/v1/jobs/%22%0a"]
)
def test_a_path_that_does_not_exist_is_not_found(stack: Stack, path: str) -> None:
    answer = ask("GET", path)
    assert (answer.status, answer.type, answer.body["type"]) == (404, "application/problem+json", "about:blank")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_a_path_says_which_methods_it_exists_with(stack: Stack, route: object) -> None:
    path = getattr(route, "path")  # noqa: B009 (the parameter has no type of its own)
    methods = sorted(one.method for one in ROUTES if one.path == path)
    answer = ask("PATCH", path.replace("{project_id}", "a").replace("{job_id}", "b"))
    assert (answer.status, answer.type) == (405, "application/problem+json")
    assert answer.headers["Allow"] == ", ".join(methods)


def test_the_documents_have_every_route() -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text()
    assert re.findall(r"^\| `([A-Z]+ /v1\S*)` \|", page, re.MULTILINE) == [route.key for route in ROUTES]


@pytest.mark.parametrize(
    ("method", "address", "route_key"),
    [
        ("GET", "/v1/projects/a%2Fapi-keys", "GET /v1/projects/{project_id}"),
        ("GET", "/v1/projects/a/api-keys", "$default"),
        ("GET", "/v1/jobs/a", "GET /v1/projects/{project_id}"),
    ],
)
def test_no_request_reaches_another_route_than_iam_has_decided_on(
    stack: Stack, method: str, address: str, route_key: str
) -> None:
    answer = ask(method, address, route_key)
    assert (answer.status, answer.body["type"]) == (404, "about:blank")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ControlPlaneUnavailable("it does not answer"), 503),
        (errors.InsufficientPermissions("it refuses"), 500),
        (errors.Misconfigured("the setting X is missing"), 500),
    ],
)
def test_an_error_of_the_ledger_is_a_problem_with_its_name(stack: Stack, error: Exception, status: int) -> None:
    with patch.object(control_plane, "connect", side_effect=error):
        answer = ask("GET", "/v1/projects")
    assert (answer.status, answer.body["type"], answer.body["detail"]) == (status, type(error).__name__, str(error))
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_an_unexpected_error_shows_its_name_and_none_of_its_words(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch.object(control_plane, "connect", side_effect=RuntimeError("squirrel")):
        answer = ask("GET", "/v1/projects")
    assert (answer.status, answer.body["type"]) == (500, "UnexpectedFailure")
    assert "squirrel" not in str(answer.body)
    assert "squirrel" not in capsys.readouterr().out


def test_every_error_of_a_stage_has_a_status() -> None:
    from api import problems

    named = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    for error in named:
        if issubclass(error, (PermanentError, TransientError)):
            status = problems.of_error(error("words")).status_code
            assert 400 <= status < 600
            assert (status < 500) == (not error.is_fault), error
