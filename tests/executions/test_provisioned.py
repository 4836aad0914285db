"""Executions in which nothing goes wrong."""

import re
import uuid
from datetime import datetime
from typing import Any

import pytest

from local.stack import Stack
from tests.conftest import ORGANIZATION, OWNER, REGION, NewProject
from tests.executions.running import SERVICES, ended, entered, execute, history, payload_for, run
from tests.executions.worlds import look, problems_of_provisioned

HAPPY_STATES = [
    *("Receive payload", "Provision or roll back?", "Verify project", "Create tenant database", "Create tenant schema"),
    *("Register services", "Register auth", "Register realtime", "Register storage", "Register pooler"),
    *("All services registered?", "Generate API keys", "Finalize", "Provisioned"),
]


@pytest.mark.parametrize("services", [SERVICES, (), *((service,) for service in SERVICES)], ids="+".join)
def test_a_project_is_provisioned_with_the_services_it_asks_for(
    stack: Stack, project_id: str, services: tuple[str, ...]
) -> None:
    payload = payload_for(project_id, *services)
    ran = run(stack, payload)
    assert (ran.status, ran.waits) == ("SUCCEEDED", [])
    assert problems_of_provisioned(look(stack, project_id), payload) == []


def test_what_the_payload_leaves_out_takes_its_default(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id)
    del payload["services"]
    assert run(stack, payload).status == "SUCCEEDED"
    world = look(stack, project_id)
    assert problems_of_provisioned(world, payload) == []
    assert [(key["kind"], key["prefix"]) for key in world.api_keys] == [
        ("publishable", project_id),
        ("secret", project_id),
    ]
    assert world.jobs[0]["payload"]["database"]["storage_gb"] == 20


@pytest.mark.parametrize("count", [1, 3, 10])
def test_as_many_keys_are_made_as_the_payload_asks_for(stack: Stack, project_id: str, count: int) -> None:
    payload = payload_for(project_id, api_keys={"count": count, "prefix": "acme"})
    assert len(run(stack, payload).output["api_keys"]) == count
    assert problems_of_provisioned(look(stack, project_id), payload) == []


def test_the_result_has_exactly_its_shape_and_the_facts(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id, *SERVICES, api_keys={"count": 3, "prefix": "acme"}))
    world = look(stack, project_id)
    tenant_id, (job,) = world.tenant["tenant_id"], world.jobs
    moments = [key.pop("created_at") for key in ran.output["api_keys"]] + [ran.output["metadata"].pop("provisioned_at")]
    assert all(datetime.fromisoformat(moment).tzinfo for moment in moments)
    assert ran.output["metadata"].pop("duration_ms") == pytest.approx(_milliseconds(job), abs=50)
    assert ran.output == {
        "project_id": project_id,
        "tenant_id": tenant_id,
        "database": {
            "host": "127.0.0.1",
            "port": stack.postgres.port,
            "name": world.databases[0]["name"],
            "schema": "public",
            "engine": "postgresql",
            "version": stack.postgres.major_version(),
            "size": "db.t3.micro",
        },
        "services": {
            service: {"external_id": tenant_id} | {name: row[name] for name in ("endpoint", "registered_at")}
            for service, row in _with_moments_of(ran.output, world.registrations).items()
        },
        "api_keys": [
            {"key_id": str(key["key_id"]), "kind": key["kind"], "prefix": "acme", "hint": key["hint"]}
            for key in world.api_keys
        ],
        "secret_arn": world.credentials[0]["arn"],
        "metadata": {
            "region": REGION,
            "owner_id": OWNER,
            "organization_id": ORGANIZATION,
            "job_id": ran.job_id,
            "attempts": 1,
        },
    }


def test_the_job_keeps_the_result_that_the_execution_returns(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id, "auth"))
    (job,) = look(stack, project_id).jobs
    assert (job["job_id"], job["execution_arn"], job["result"]) == (ran.job_id, ran.arn, ran.output)


def test_the_happy_path_enters_fourteen_states_in_order(stack: Stack, project_id: str) -> None:
    states = entered(history(stack, run(stack, payload_for(project_id, *SERVICES)).arn))
    assert sorted(states) == sorted(HAPPY_STATES)
    outside = [state for state in HAPPY_STATES if not re.search(r"auth|realtime|storage|pooler", state)]
    assert [state for state in states if state in outside] == outside


def test_metadata_comes_back_from_the_job_as_it_was_sent(stack: Stack, project_id: str) -> None:
    metadata = {"plan": "free", "größe": [1, 2.5, None, {"deep": "\u202e"}]}
    run(stack, payload_for(project_id, metadata=metadata))
    assert look(stack, project_id).jobs[0]["payload"]["metadata"] == metadata


def test_the_progress_never_goes_back_and_is_complete_once_the_project_is_active(stack: Stack, project_id: str) -> None:
    arn = stack.start_execution(payload_for(project_id, *SERVICES), f"job-{uuid.uuid4().hex[:12]}")
    seen: list[tuple[int, str]] = []
    question = (
        "SELECT progress_percent, projects.status FROM control_plane.jobs"
        f" JOIN control_plane.projects USING (project_id) WHERE project_id = '{project_id}'"
    )
    while not stack.aws.ended(arn):
        seen += [(percent, status) for percent, status in execute(stack, question, "control_plane")]
    seen += [(percent, status) for percent, status in execute(stack, question, "control_plane")]
    assert [percent for percent, _ in seen] == sorted(percent for percent, _ in seen)
    assert len({percent for percent, _ in seen}) >= 4, seen
    assert all((percent == 100) == (status == "active") for percent, status in seen)


@pytest.mark.parametrize("name", ["jöb-\u4e16\u754c-{}", "{}" + "x" * 66, "job.with=signs@and+more-{}"])
def test_a_job_can_have_every_name_that_an_execution_can(stack: Stack, project_id: str, name: str) -> None:
    payload = payload_for(project_id, *SERVICES)
    ran = run(stack, payload, name.format(project_id))
    assert (ran.status, ran.output["metadata"]["job_id"]) == ("SUCCEEDED", name.format(project_id))
    assert problems_of_provisioned(look(stack, project_id), payload) == []


@pytest.mark.parametrize("together", [2, 8])
def test_projects_are_provisioned_side_by_side(stack: Stack, new_project: NewProject, together: int) -> None:
    payloads = [payload_for(new_project(), *SERVICES) for _ in range(together)]
    arns = [stack.start_execution(payload, f"job-{payload['project_id']}") for payload in payloads]
    assert [ended(stack, arn).status for arn in arns] == ["SUCCEEDED"] * together
    for payload in payloads:
        assert problems_of_provisioned(look(stack, payload["project_id"]), payload) == []


def _milliseconds(job: dict[str, Any]) -> float:
    return float((job["completed_at"] - job["started_at"]).total_seconds() * 1000)


def _with_moments_of(result: dict[str, Any], registrations: dict[str, Any]) -> dict[str, Any]:
    """Compare moments by value: the result and the service may write the same one differently."""
    for service, row in registrations.items():
        told = result["services"][service]["registered_at"]
        assert datetime.fromisoformat(told) == datetime.fromisoformat(row["registered_at"])
        row["registered_at"] = told
    return registrations
