"""POST /v1/plan says what a job would do and touches nothing; a POST with its id does exactly that, or nothing."""

import json
import uuid
from typing import Any

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning import control_plane
from provisioning.jobs import quotas
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.planning import prices
from tests.api.asking import ask, get, post
from tests.api.test_starting import new_payload, pointers
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.executions.running import ended, execute, payload_for
from tests.stages.jobs import open_job, refilled

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'control_plane'::regnamespace AND relkind = 'r'"
ROWS = "SELECT md5(string_agg(one::text || one.xmin, '' ORDER BY one::text)) FROM control_plane.{} AS one"


def plan(payload: dict[str, Any], job_type: str = "provision_project") -> dict[str, Any]:
    answer = post("/v1/plan", {"job_type": job_type, "payload": payload})
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


def everything(stack: Stack) -> dict[str, Any]:
    """Every row of the control plane, with the transaction that wrote it."""
    return {
        name: execute(stack, sql.SQL(ROWS).format(sql.Identifier(name)), "control_plane")
        for (name,) in execute(stack, TABLES, "control_plane")
    }


def numbers(planned: dict[str, Any]) -> dict[str, int]:
    return {call["kind"]: call["number"] for call in planned["calls"]}


def test_a_plan_touches_nothing(stack: Stack, project_id: str) -> None:
    before = everything(stack)
    plan(new_payload())
    plan(payload_for(project_id))
    assert everything(stack) == before


def test_a_plan_says_cluster_tenant_resources_calls_transitions_and_price(stack: Stack) -> None:
    payload = new_payload(services={"auth": True}, api_keys={"count": 3, "prefix": "acme"})
    with refilled(stack):
        found = plan(payload)
    assert (found["is_new_project"], found["tenant"]["source"]) == (True, "pool")
    assert found["cluster"]["cluster_id"] == "local"
    assert "most room" in found["cluster"]["why"]
    kinds = {(one["action"], one["kind"]): one["number"] for one in found["resources"]}
    assert kinds == {
        ("take", "secret"): 1,
        ("take", "role"): 2,
        ("take", "database"): 1,
        ("take", "schema"): 1,
        ("make", "registration"): 1,
        ("make", "secret"): 1,
        ("make", "API key"): 3,
    }
    assert [f"tenant_{found['tenant']['tenant_id']}"] in [one["names"] for one in found["resources"]]
    assert "provisioner/tenants" not in json.dumps(found), "the name of a secret"
    assert (found["transitions"], numbers(found)["Lambda Invoke"]) == (14, 9)
    assert (found["price"]["per_month"], found["price"]["read_on"]) == (0.8, prices.READ_ON)
    calls = numbers(found)
    secrets = calls["Secrets Manager CreateSecret"] + calls["Secrets Manager BatchGetSecretValue"]
    assert found["price"]["once"] == pytest.approx(14 * 25e-6 + 9 * 0.2e-6 + secrets * 5e-6)


def test_a_new_project_is_created_exactly_as_it_was_planned(stack: Stack) -> None:
    payload = new_payload(services={"auth": True})
    with refilled(stack):
        planned = plan(payload)
        started = post("/v1/projects", {**payload, "plan_id": planned["plan_id"]})
        assert started.status == 202, started.body
        job = get(f"/v1/jobs/{started.body['job_id']}?wait=25")
    assert job["outcome"] == "succeeded"
    assert get(f"/v1/projects/{payload['project_id']}")["tenant"]["tenant_id"] == planned["tenant"]["tenant_id"]


@pytest.mark.parametrize("job_type", ["suspend_project", "resume_project"])
def test_a_job_of_another_type_is_started_by_its_plan(stack: Stack, project_id: str, job_type: str) -> None:
    stack.run(payload_for(project_id, "auth"))
    if job_type == "resume_project":
        stack.run({"project_id": project_id}, job_type=SUSPEND_PROJECT.job_type)
    planned = plan({"project_id": project_id}, job_type)
    tenant_id = get(f"/v1/projects/{project_id}")["tenant"]["tenant_id"]
    assert planned["tenant"] == {"source": "project", "tenant_id": tenant_id}
    assert (planned["cluster"], planned["other_clusters"]) == (
        {"cluster_id": "local", "why": "the project's tenant is on it"},
        [],
    )
    started = post(f"/v1/projects/{project_id}/jobs/{job_type}", {"plan_id": planned["plan_id"]})
    assert get(f"/v1/jobs/{started.body['job_id']}?wait=25")["outcome"] == "succeeded"


def test_a_stale_plan_is_answered_with_409_and_starts_and_keeps_nothing(stack: Stack, new_project: NewProject) -> None:
    payload, key = new_payload(), uuid.uuid4().hex
    with refilled(stack):
        stale = {**payload, "plan_id": plan(payload)["plan_id"]}
        open_job(new_project())
        answer = post("/v1/projects", stale, key)
        assert (answer.status, answer.body["type"]) == (409, "PlanStale")
        assert ask("GET", f"/v1/projects/{payload['project_id']}").status == 404
        again = post("/v1/projects", {**payload, "plan_id": plan(payload)["plan_id"]}, key)
        assert again.status == 202, again.body


def test_a_job_in_the_way_makes_a_plan_stale_and_is_named(stack: Stack, project_id: str) -> None:
    planned = plan(payload_for(project_id))
    running = open_job(project_id)
    body = payload_for(project_id, plan_id=planned["plan_id"])
    answer = post(f"/v1/projects/{project_id}/jobs/provision_project", body)
    assert (answer.status, answer.body["type"], answer.body["job_id"]) == (409, "PlanStale", running.job_id)


def test_a_repeated_request_with_a_plan_answers_with_its_job_after_the_plan_is_stale(stack: Stack) -> None:
    payload, key = new_payload(), uuid.uuid4().hex
    body = {**payload, "plan_id": plan(payload)["plan_id"]}
    job_id = post("/v1/projects", body, key).body["job_id"]
    get(f"/v1/jobs/{job_id}?wait=25")
    again = post("/v1/projects", body, key)
    assert (again.status, again.body["job_id"], again.body["is_repeated"]) == (202, job_id, True)


def test_an_execution_by_hand_with_a_stale_plan_fails_with_plan_stale(stack: Stack, new_project: NewProject) -> None:
    project_id = new_project()
    planned = plan(payload_for(project_id))
    with refilled(stack):
        ran = ended(stack, stack.start_execution(payload_for(project_id, plan_id=planned["plan_id"])))
    assert (ran.status, ran.error, ran.waits) == ("FAILED", "PlanStale", [])
    assert "no longer holds" in ran.cause
    assert (look(stack, project_id).tenants, look(stack, project_id).databases) == ([], [])


def test_what_a_job_would_be_refused_with_its_plan_is_refused_with(stack: Stack, project_id: str) -> None:
    organization = f"org-{uuid.uuid4().hex[:12]}"
    quotas.limit(control_plane.connect(), organization, {"projects": 0})
    refused = {
        (404, "ProjectNotFound"): {"payload": {"project_id": "nobody", "region": "us-east-1"}},
        (409, "ProjectNotEligible"): {"payload": {"project_id": project_id}, "job_type": "suspend_project"},
        (409, "RegionNotAvailable"): {"payload": payload_for(project_id, database={"size": "db.m7g.large"})},
        (429, "OrganizationQuotaExceeded"): {"payload": new_payload(organization_id=organization)},
    }
    for expected, body in refused.items():
        answer = post("/v1/plan", body)
        assert (answer.status, answer.body["type"]) == expected


def test_all_rules_that_a_planned_payload_breaks_are_named_at_once(stack: Stack) -> None:
    answer = post("/v1/plan", {"payload": {"project_id": "-", "database": {"size": 7}}})
    assert pointers(answer) == ["#/payload/region", "#/payload/project_id", "#/payload/database/size"]
    unknown = post("/v1/plan", {"job_type": "no_type", "payload": {}})
    assert pointers(unknown) == ["#/job_type"]
