"""provision plan says what a job would do, and its last line is the command that does exactly that."""

import json
import shlex
import uuid
from typing import Any

import pytest

from cli.app import app
from local.exit_codes import ExitCode
from local.stack import Stack
from tests.cli.commanding import api_of, printed, provision
from tests.cli.test_create import WHOSE
from tests.executions.running import payload_for, run
from tests.stages.jobs import refilled

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def unknown() -> str:
    """The id of a project that nobody has added."""
    return f"new-{uuid.uuid4().hex[:8]}"


def planned(capsys: Capture, stack: Stack, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert provision(stack, "plan", *arguments, "--json") == 0
    # The handlers' own lines stand before it.
    document: dict[str, Any] = json.loads("{" + capsys.readouterr().out.partition("{\n")[2])
    return document


def next_command(capsys: Capture, stack: Stack, *arguments: str) -> list[str]:
    capsys.readouterr()
    assert provision(stack, "plan", *arguments) == 0
    return shlex.split(printed(capsys)[-1].removeprefix("Next: "))[1:]


def test_a_plan_is_the_apis_and_adds_nothing(stack: Stack, unknown: str, capsys: Capture) -> None:
    options = (unknown, *WHOSE, "--service", "auth")
    found = planned(capsys, stack, *options)
    payload = {"project_id": unknown, "organization_id": WHOSE[1], "owner_id": WHOSE[3], "services": {"auth": True}}
    asked = {"job_type": "provision_project", "payload": {"region": "us-east-1", **payload}}
    assert found == api_of(stack).post("/v1/plan", asked)
    assert provision(stack, "show", unknown) == ExitCode.NOT_FOUND


def test_a_plan_is_printed_with_its_cluster_resources_calls_and_price(
    stack: Stack, unknown: str, capsys: Capture
) -> None:
    found = planned(capsys, stack, unknown, *WHOSE)
    assert provision(stack, "plan", unknown, *WHOSE) == 0
    lines = printed(capsys)
    assert f"Job provision_project of {unknown}, a new project" in lines
    assert f"Cluster {found['cluster']['cluster_id']}: {found['cluster']['why']}" in lines
    assert f"Transitions {found['transitions']}" in lines
    for one in found["resources"]:
        assert any(line.startswith(f"{one['action']} {one['kind']} {one['number']}") for line in lines)
    for one in found["calls"]:
        assert f"{one['kind']} {one['number']}" in lines
    assert f"Price {found['price']['once']:.6f} dollars once, {found['price']['per_month']:.2f} a month" in lines


def test_a_project_is_created_as_its_plan_says(stack: Stack, unknown: str, capsys: Capture) -> None:
    with refilled(stack):
        options = (unknown, *WHOSE, "--service", "auth")
        tenant = planned(capsys, stack, *options)["tenant"]
        command = next_command(capsys, stack, *options)
        assert (command[0], command[-2]) == ("create", "--plan")
        with pytest.raises(SystemExit) as ended:
            app(command)
    assert not ended.value.code, capsys.readouterr()
    assert (tenant["source"], tenant["tenant_id"]) == ("pool", api_of(stack).project(unknown)["tenant"]["tenant_id"])


def test_a_job_of_another_type_keeps_its_plan(stack: Stack, project_id: str, capsys: Capture) -> None:
    job = run(stack, payload_for(project_id))
    # A job is taken for its project here, as everywhere.
    command = next_command(capsys, stack, job.job_id, "--job-type", "suspend_project")
    with pytest.raises(SystemExit) as ended:
        app(command)
    assert (command[0], ended.value.code or 0) == ("suspend", 0)
    assert api_of(stack).project(project_id)["status"] == "suspended"


def test_a_command_that_would_do_something_else_than_its_plan_is_refused(
    stack: Stack, unknown: str, capsys: Capture
) -> None:
    command = next_command(capsys, stack, unknown, *WHOSE)
    with pytest.raises(SystemExit) as ended:
        app([*command, "--service", "auth"])
    assert ended.value.code == ExitCode.CONFLICT
    assert "plan" in capsys.readouterr().err.splitlines()[-1]
    assert provision(stack, "show", unknown) == ExitCode.NOT_FOUND


def test_what_create_refuses_is_not_planned(stack: Stack, unknown: str, capsys: Capture) -> None:
    assert provision(stack, "plan", unknown, "--org", "o", "--service", "strage") == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "did you mean storage?" in said
    assert "owner_id (--owner): is required" in said
    assert provision(stack, "plan", unknown, "--job-type", "suspend") == ExitCode.USAGE
    assert "--job-type: suspend is none of provision_project, " in capsys.readouterr().err
