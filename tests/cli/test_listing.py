"""provision ls, jobs and keys list what the ledger knows, whatever Step Functions remembers."""

import re

import pytest

from cli.app import app
from local.exit_codes import ExitCode
from local.stack import Stack
from provisioning.tenant.key_delivery import reveal_api_keys
from tests.cli.commanding import printed, provision
from tests.conftest import NewProject
from tests.executions.running import Ran, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

MOMENT = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def failed(stack: Stack, project_id: str) -> Ran:
    """The first job of the project, which was rolled back."""
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        return run(stack, payload_for(project_id))


def test_the_jobs_of_a_project_are_listed_newest_first_with_how_they_ended(
    stack: Stack, project_id: str, failed: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(stack, payload_for(project_id))
    capsys.readouterr()
    provision(stack, "jobs", project_id)
    _, newest, oldest, hint = printed(capsys)
    assert re.fullmatch(
        f"{ran.job_id} provision_project {project_id} succeeded completed 100 % {MOMENT} {MOMENT}", newest
    )
    assert re.fullmatch(
        rf"{failed.job_id} provision_project {project_id} rolled back rolled_back \d+ % {MOMENT} {MOMENT}", oldest
    )
    assert "Step Functions may have forgotten the execution" in hint


def test_a_job_that_was_refused_is_listed_too(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    refused = run(stack, {"project_id": 7})
    capsys.readouterr()
    provision(stack, "jobs", "--status", "failed")
    assert any(line.startswith(f"{refused.job_id} provision_project unknown failed ") for line in printed(capsys))


def test_jobs_are_listed_by_their_status(
    stack: Stack, project_id: str, failed: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    provision(stack, "jobs", failed.job_id, "--status", "rolled_back")
    assert failed.job_id in " ".join(printed(capsys))
    provision(stack, "jobs", project_id, "--status", "succeeded")
    assert printed(capsys) == ["The ledger has no such job."]


def test_a_list_that_is_cut_off_says_so(
    stack: Stack, project_id: str, failed: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(stack, payload_for(project_id))
    capsys.readouterr()
    provision(stack, "jobs", project_id, "--most", "1")
    _, only, hint = printed(capsys)
    assert only.startswith(ran.job_id)
    assert hint.startswith("These are the first 1: --most shows more. ")
    provision(stack, "jobs", project_id, "--most", "2")
    assert not printed(capsys)[-1].startswith("These are")


def test_projects_are_listed_with_their_status_tenant_and_job(
    stack: Stack, new_project: NewProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project_id, fresh = new_project(), new_project()
    ran = run(stack, payload_for(project_id))
    capsys.readouterr()
    provision(stack, "ls", "--status", "active", "--most", "10000")
    active = printed(capsys)
    assert f"{project_id} org-test us-east-1 active {ran.output['tenant_id']} {ran.job_id}, succeeded" in active
    assert fresh not in " ".join(active)
    provision(stack, "ls", "--most", "10000")
    assert any(line.startswith(f"{fresh} ") and line.endswith(" us-east-1 created") for line in printed(capsys))


def test_keys_say_when_they_were_revealed(stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(stack, payload_for(project_id))
    capsys.readouterr()
    provision(stack, "keys", project_id)
    *_, hint = printed(capsys)
    assert hint == "--reveal shows the keys themselves, once."
    reveal_api_keys(project_id)
    provision(stack, "keys", project_id)
    *keys, hint = printed(capsys)
    assert all(re.search(f" revealed {MOMENT}$", key) for key in keys[1:])
    assert hint == "They have been revealed, and are shown only once."
    assert provision(stack, "keys", project_id, "--reveal") == ExitCode.CONFLICT
    said = f"^provision: the keys of {project_id} were revealed at {MOMENT}: they are shown only once$"
    assert re.search(said, capsys.readouterr().err, re.MULTILINE)


@pytest.mark.parametrize("command", ["ls", "jobs"])
def test_a_deployment_is_asked_for_its_lists_with_the_callers_own_key(
    stack: Stack, project_id: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(stack, payload_for(project_id))
    with pytest.raises(SystemExit) as ended:
        app([command, "--endpoint", stack.endpoint_url, "--aws-region", "us-east-1"])
    assert ended.value.code == 0
    assert ran.job_id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["history", "JOB"], "Create tenant database attempt 1"), (["migrate"], "is already at the newest version.")],
    ids=["history", "migrate"],
)
def test_a_deployment_is_asked_for_a_history_and_migrated(
    failed: Ran, deployed: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    command = [failed.job_id if one == "JOB" else one for one in arguments]
    with pytest.raises(SystemExit) as ended:
        app([*command, "--state-machine-arn", deployed])
    assert ended.value.code == 0
    assert said in " ".join(printed(capsys))
