"""Routes that start jobs: once for each Idempotency-Key, and refused as the job would be."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.requests import answer_request
from local.stack import Stack
from provisioning import control_plane
from provisioning.jobs import quotas
from tests.api.asking import Answer, Context, ask, event, get, post
from tests.conftest import ORGANIZATION, OWNER
from tests.executions.running import execute, payload_for, run


def new_payload(**fields: object) -> dict[str, Any]:
    """The payload for a project that does not exist."""
    owner = {"organization_id": ORGANIZATION, "owner_id": OWNER}
    return payload_for(f"p-{uuid.uuid4().hex[:12]}") | owner | fields


def pointers(answer: Answer) -> list[str]:
    """What a problem says is wrong with a body."""
    assert (answer.status, answer.body["type"], answer.type) == (400, "InvalidPayload", "application/problem+json")
    return [fault["pointer"] for fault in answer.body["errors"]]


def test_a_project_is_created_and_provisioned_by_one_request(stack: Stack) -> None:
    payload = new_payload()
    answer = post("/v1/projects", payload)
    assert (answer.status, answer.body["project_id"], answer.body["is_repeated"]) == (202, payload["project_id"], False)
    job = get(f"/v1/jobs/{answer.body['job_id']}?wait=25")
    assert (job["outcome"], job["job_type"]) == ("succeeded", "provision_project")
    assert get(f"/v1/projects/{payload['project_id']}")["status"] == "active"


def test_a_repeated_request_gets_the_same_job_also_after_its_end(stack: Stack) -> None:
    payload, key = new_payload(), uuid.uuid4().hex
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: post("/v1/projects", payload, key), range(8)))
    (job_id,) = {answer.body["job_id"] for answer in answers}
    assert [answer.body["is_repeated"] for answer in answers].count(False) == 1
    assert get(f"/v1/jobs/{job_id}?wait=25")["outcome"] == "succeeded"
    after = post("/v1/projects", payload, key)
    assert (after.status, after.body["job_id"], after.body["is_repeated"]) == (202, job_id, True)
    assert [job["job_id"] for job in get(f"/v1/jobs?project_id={payload['project_id']}")["jobs"]] == [job_id]


def test_another_body_under_the_same_key_is_refused(stack: Stack) -> None:
    payload, key = new_payload(), uuid.uuid4().hex
    job_id = post("/v1/projects", payload, key).body["job_id"]
    answer = post("/v1/projects", new_payload(), key)
    assert (answer.status, answer.body["type"]) == (422, "IdempotencyKeyReused")
    get(f"/v1/jobs/{job_id}?wait=25")


def test_a_job_of_another_type_is_started_for_a_project(stack: Stack, project_id: str) -> None:
    run(stack, payload_for(project_id))
    for job_type, status in (("suspend_project", "suspended"), ("resume_project", "active")):
        answer = post(f"/v1/projects/{project_id}/jobs/{job_type}", {})
        assert (answer.status, answer.body["job_type"]) == (202, job_type)
        assert get(f"/v1/jobs/{answer.body['job_id']}?wait=25")["outcome"] == "succeeded"
        assert get(f"/v1/projects/{project_id}")["status"] == status


def test_a_job_that_needs_its_project_only_needs_no_body(stack: Stack, project_id: str) -> None:
    run(stack, payload_for(project_id))
    answer = ask("POST", f"/v1/projects/{project_id}/jobs/suspend_project", key=uuid.uuid4().hex)
    assert answer.status == 202
    assert get(f"/v1/jobs/{answer.body['job_id']}?wait=25")["outcome"] == "succeeded"


def test_a_change_of_a_project_that_was_never_provisioned_is_refused_at_once(stack: Stack, project_id: str) -> None:
    answer = post(f"/v1/projects/{project_id}/jobs/suspend_project", {})
    assert (answer.status, answer.body["type"]) == (409, "ProjectNotEligible")
    assert get(f"/v1/jobs?project_id={project_id}")["jobs"] == []


def test_a_change_that_meets_a_running_job_names_that_job(stack: Stack, project_id: str) -> None:
    execute(
        stack,
        "INSERT INTO control_plane.jobs (job_id, job_type, project_id, status, excludes)"
        f" VALUES ('running-{project_id}', 'provision_project', '{project_id}', 'running', 'project:{project_id}')",
        "control_plane",
    )
    try:
        answer = post(f"/v1/projects/{project_id}/jobs/provision_project", payload_for(project_id))
        assert (answer.status, answer.body["type"]) == (409, "JobInProgress")
        assert answer.body["job_id"] == f"running-{project_id}"
    finally:
        execute(stack, f"DELETE FROM control_plane.jobs WHERE job_id = 'running-{project_id}'", "control_plane")


def test_an_unknown_project_and_one_that_exists_are_refused(stack: Stack, project_id: str) -> None:
    unknown = post("/v1/projects/nobody/jobs/suspend_project", {})
    assert (unknown.status, unknown.body["type"]) == (404, "ProjectNotFound")
    existing = post("/v1/projects", new_payload(project_id=project_id))
    assert (existing.status, existing.body["type"]) == (409, "ProjectExists")


def test_a_request_beyond_a_limit_of_its_organization_starts_nothing(stack: Stack) -> None:
    organization, key = f"org-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    quotas.limit(control_plane.connect(), organization, {"projects": 1})
    first = new_payload(organization_id=organization)
    job_id = post("/v1/projects", first, key).body["job_id"]
    assert get(f"/v1/jobs/{job_id}?wait=25")["outcome"] == "succeeded"
    second = new_payload(organization_id=organization)
    answer = post("/v1/projects", second)
    assert (answer.status, answer.body["type"]) == (429, "OrganizationQuotaExceeded")
    assert "limit of 1" in answer.body["detail"]
    assert ask("GET", f"/v1/projects/{second['project_id']}").status == 404
    repeated = post("/v1/projects", first, key)
    assert (repeated.status, repeated.body["job_id"]) == (202, job_id)


def test_all_rules_that_a_body_breaks_are_named_at_once(stack: Stack) -> None:
    answer = post("/v1/projects", {"project_id": "-squirrel", "database": {"size": 7}, "owner_id": ""})
    assert pointers(answer) == ["#/region", "#/project_id", "#/owner_id", "#/database/size", "#/organization_id"]
    assert "squirrel" not in json.dumps(answer.body)


@pytest.mark.parametrize(("key", "path"), [(None, "/v1/projects"), ("é", "/v1/projects/shop/jobs/provision_project")])
def test_a_body_and_the_parameters_beside_it_are_examined_at_once(stack: Stack, key: str | None, path: str) -> None:
    answer = ask("POST", path, body=json.dumps({"region": 1, "services": []}), key=key)
    assert (answer.status, answer.body["type"]) == (400, "InvalidPayload")
    places = [fault.get("pointer") or fault["parameter"].lower() for fault in answer.body["errors"]]
    assert {"idempotency-key", "#/region", "#/services"} <= set(places)
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    ("path", "body", "places"),
    [
        ("/v1/projects/shop/jobs/no_type", '{"project_id": "other", "any": 1}', ["job_type", "#/project_id"]),
        ("/v1/projects/!/jobs/suspend_project", '{"any": 1}', ["project_id", "#/any"]),
        ("/v1/projects/!/jobs/suspend_project", '["any"]', ["project_id", "#"]),
        ("/v1/projects/!/jobs/suspend_project", None, ["project_id"]),
    ],
)
def test_only_what_is_known_of_a_body_is_said(stack: Stack, path: str, body: str | None, places: list[str]) -> None:
    answer = ask("POST", path, body=body, key="a")
    found = [fault.get("pointer") or fault["parameter"] for fault in answer.body["errors"]]
    assert (answer.status, found) == (400, places)


@pytest.mark.parametrize("body", ["{", "\ud800", "[" * 100000])
def test_an_unreadable_body_beside_a_broken_parameter_is_a_problem(stack: Stack, body: str) -> None:
    answer = ask("POST", "/v1/projects/!/jobs/suspend_project", body=body)
    assert (answer.status, answer.body["type"]) == (400, "InvalidPayload")


@pytest.mark.parametrize("body", ["{", "", "\ud800", '{"metadata": {"a": NaN}}', "[" * 100_000, "\x00"])
def test_a_body_that_is_no_json_is_a_problem(stack: Stack, body: str) -> None:
    answer = ask("POST", "/v1/projects", body=body, key="a")
    assert pointers(answer) == ["#"]


@pytest.mark.parametrize("said", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
def test_a_body_of_another_media_type_is_a_problem(stack: Stack, said: str) -> None:
    asked = event("POST", "/v1/projects") | {"body": "a=b"}
    asked["headers"] |= {"idempotency-key": "a", "content-type": said}
    answer = answer_request(asked, Context())
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (415, "application/problem+json")


@pytest.mark.parametrize("body", ["[]", "7", '"text"'])
def test_a_body_that_is_no_object_is_a_problem(stack: Stack, body: str) -> None:
    assert pointers(ask("POST", "/v1/projects", body=body, key="a")) == ["#"]


@pytest.mark.parametrize("key", [None, "", "é", "a" * 256, "a\nb"])
def test_a_request_needs_a_key_of_printable_ascii(stack: Stack, key: str | None) -> None:
    answer = ask("POST", "/v1/projects", body=json.dumps(new_payload()), key=key)
    assert (answer.status, answer.body["type"]) == (400, "InvalidPayload")
    assert [fault["parameter"].lower() for fault in answer.body["errors"]] == ["idempotency-key"]


def test_a_payload_for_another_project_than_the_paths_is_refused(stack: Stack, project_id: str) -> None:
    answer = post(f"/v1/projects/{project_id}/jobs/suspend_project", {"project_id": "another"})
    assert pointers(answer) == ["#/project_id"]


def test_an_unknown_job_type_is_refused_with_the_known_ones(stack: Stack, project_id: str) -> None:
    answer = post(f"/v1/projects/{project_id}/jobs/no_type", {})
    assert (answer.status, [fault["parameter"] for fault in answer.body["errors"]]) == (400, ["job_type"])
    assert "suspend_project" in answer.body["errors"][0]["detail"]


def test_a_request_that_names_no_caller_starts_nothing(stack: Stack) -> None:
    asked = event("POST", "/v1/projects") | {"body": json.dumps(new_payload())}
    asked["headers"] |= {"idempotency-key": "a"}
    del asked["requestContext"]["authorizer"]
    answer = answer_request(asked, Context())
    assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (403, "CallerUnknown")


def test_a_job_that_was_asked_for_is_pending_until_it_opens(stack: Stack) -> None:
    job_id, project_id = str(uuid.uuid4()), f"p-{uuid.uuid4().hex[:12]}"
    execute(
        stack,
        "INSERT INTO control_plane.requests (principal, route, key, body_sha256, job_id, job_type, project_id)"
        f" VALUES ('a/b', 'POST /v1', '{job_id}', sha256(''), '{job_id}', 'provision_project', '{project_id}')",
        "control_plane",
    )
    found = get(f"/v1/jobs/{job_id}?wait=1")
    assert (found["status"], found["outcome"], found["project_id"]) == ("pending", None, project_id)
