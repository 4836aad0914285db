"""What the API says of projects and their keys."""

import base64
import json
from datetime import UTC, datetime

import pytest

from api.pages import cursor_of
from local.stack import Stack
from provisioning import control_plane, lookup
from provisioning.listing import Place
from provisioning.tenant.key_delivery import reveal_api_keys
from tests.api.asking import ask, get
from tests.conftest import NewProject
from tests.executions.running import Ran, payload_for, run


@pytest.fixture(scope="module")
def provisioned(stack: Stack, new_project: NewProject) -> tuple[str, Ran]:
    """A project with a tenant and two services, and its job."""
    project_id = new_project()
    return project_id, run(stack, payload_for(project_id, "auth", "storage"))


def test_a_project_has_its_status_tenant_services_and_job(provisioned: tuple[str, Ran]) -> None:
    project_id, ran = provisioned
    found = get(f"/v1/projects/{project_id}")
    assert (found["project_id"], found["status"], found["region"]) == (project_id, "active", "us-east-1")
    assert found["tenant"]["tenant_id"] == ran.output["tenant_id"]
    assert found["tenant"]["state"] == "active"
    assert found["tenant"]["database"] == f"tenant_{ran.output['tenant_id']}"
    assert {one["service"]: one["status"] for one in found["services"]} == dict.fromkeys(
        ["auth", "storage"], "registered"
    )
    assert found["job"] == {"job_id": ran.job_id, "status": "succeeded"}


def test_a_project_that_was_not_provisioned_has_no_tenant_and_no_job(project_id: str) -> None:
    found = get(f"/v1/projects/{project_id}")
    assert (found["status"], found["tenant"], found["services"], found["job"]) == ("created", None, [], None)


def test_an_unknown_project_is_a_problem_named_as_in_step_functions(stack: Stack) -> None:
    for path in ("", "/api-keys"):
        answer = ask("GET", f"/v1/projects/nobody{path}")
        assert (answer.status, answer.type) == (404, "application/problem+json")
        assert (answer.body["type"], answer.body["status"]) == ("ProjectNotFound", 404)


def test_keys_are_listed_by_their_hints_and_say_when_they_were_revealed(stack: Stack, project_id: str) -> None:
    run(stack, payload_for(project_id))
    keys = get(f"/v1/projects/{project_id}/api-keys")["api_keys"]
    assert [key["kind"] for key in keys] == ["publishable", "secret"]
    assert {key["revealed_at"] for key in keys} == {None}
    revealed = reveal_api_keys(project_id)
    after = get(f"/v1/projects/{project_id}/api-keys")
    assert all(key["revealed_at"] for key in after["api_keys"])
    assert [key.key[-4:] for key in revealed] == [key["hint"] for key in after["api_keys"]]
    assert not any(key.key in json.dumps(after) for key in revealed)


def test_no_answer_has_the_name_or_arn_of_a_secret(provisioned: tuple[str, Ran]) -> None:
    project_id, ran = provisioned
    found = lookup.find_project(control_plane.connect(), project_id)
    assert found is not None
    secret = found.tenants[0].secret_arn
    assert secret is not None
    for address in (f"projects/{project_id}", f"projects/{project_id}/api-keys", f"jobs/{ran.job_id}", "projects"):
        assert "secretsmanager" not in json.dumps(get(f"/v1/{address}"))


def test_pages_have_every_project_once_while_others_are_added_and_changed(
    stack: Stack, new_project: NewProject
) -> None:
    made = [new_project() for _ in range(5)]
    seen: list[str] = []
    page = get("/v1/projects?limit=2")
    while True:
        seen += [one["project_id"] for one in page["projects"]]
        assert len(page["projects"]) <= 2
        if page["next_cursor"] is None or set(made) <= set(seen):
            break
        new_project()
        run(stack, payload_for(made[0]))
        page = get(f"/v1/projects?limit=2&cursor={page['next_cursor']}")
    assert sorted(made) == sorted(one for one in seen if one in made)
    assert len(seen) == len(set(seen))


def test_the_last_page_asks_for_no_other(stack: Stack, project_id: str) -> None:
    oldest = get("/v1/projects?limit=200")
    while oldest["next_cursor"]:
        oldest = get(f"/v1/projects?limit=200&cursor={oldest['next_cursor']}")
    assert oldest["projects"]


def test_projects_are_listed_by_their_status(provisioned: tuple[str, Ran], project_id: str) -> None:
    active = get("/v1/projects?status=active&limit=200")["projects"]
    assert {one["status"] for one in active} == {"active"}
    assert provisioned[0] in {one["project_id"] for one in active}


@pytest.mark.parametrize(
    "cursor",
    [
        "abc",
        "bm90IGpzb24",
        cursor_of(Place(datetime(2026, 1, 1), "a")),  # noqa: DTZ001 (no cursor of ours)
        cursor_of(Place(datetime(2026, 1, 1, tzinfo=UTC), "a\0")),
        base64.urlsafe_b64encode(rb'["2026-01-01T00:00:00+00:00", "\ud800"]').decode().rstrip("="),
        "0c916fa03f9345639472fb57a03381fe",
        "W" * 512,
    ],
)
def test_a_cursor_that_is_none_of_ours_is_a_problem(stack: Stack, cursor: str) -> None:
    answer = ask("GET", f"/v1/projects?cursor={cursor}")
    assert (answer.status, answer.body["type"]) == (400, "InvalidPayload")
    assert [fault["parameter"] for fault in answer.body["errors"]] == ["cursor"]
