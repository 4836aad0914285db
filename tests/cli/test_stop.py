"""`provision stop` ends a running job and rolls it back, or leaves that to `provision rollback`."""

from collections.abc import Iterator

import pytest

from cli.terminal import typed
from local.stack import Stack
from provisioning import control_plane, endings
from tests.cli.commanding import printed, provision
from tests.executions.running import payload_for, run
from tests.executions.waiting import waiting as waiting_job
from tests.executions.worlds import problems_after_last_look


@pytest.fixture
def waiting(stack: Stack, project_id: str) -> Iterator[str]:
    """A job that waits for its next attempt."""
    with waiting_job(stack, project_id) as job_id:
        yield job_id


def test_a_running_job_is_stopped_and_rolled_back(
    stack: Stack, project_id: str, waiting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, "stop", waiting) == 0
    execution, *lines = printed(capsys)
    assert execution.startswith("Execution ")
    said = "rolled_back: its execution was stopped (StoppedByRequest: by 123456789012/123456789012) at creating_schema"
    assert lines[-1].startswith(typed(said))
    assert problems_after_last_look(stack, project_id) == []


def test_without_a_rollback_the_next_command_is_one(
    stack: Stack, waiting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, "stop", waiting, "--no-rollback") == 0
    assert printed(capsys) == [typed(f"Stopped. Next: provision rollback {waiting}.")]
    assert endings.find(control_plane.connect(), waiting).outcome == "stopped"
    assert provision(stack, "rollback", waiting) == 0


def test_a_job_that_has_ended_is_not_stopped(stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = run(stack, payload_for(project_id)).job_id
    assert provision(stack, "stop", job_id) == 5
    assert typed(f"the job {job_id} is succeeded: there is nothing to stop") in capsys.readouterr().err
    assert provision(stack, "stop", "nobody") == 3
    assert "there is no project and no job nobody" in capsys.readouterr().err


def test_a_job_says_who_started_it(stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = run(stack, payload_for(project_id)).job_id
    capsys.readouterr()
    assert provision(stack, "job", job_id) == 0
    assert printed(capsys)[0].endswith(f"project {project_id}, started by StartExecution")
