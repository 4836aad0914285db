"""One line says how a job ended: the execution's cause, `create`, `job`, `watch` and `rollback` all show it."""

import uuid

import pytest
from psycopg2 import sql

from cli.terminal import typed
from local.stack import Stack
from provisioning import control_plane, endings
from tests.cli.commanding import provision
from tests.executions.running import Ran, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing


def shown_by(stack: Stack, capsys: pytest.CaptureFixture[str], command: str, job: str) -> str:
    """Return the last line that a command prints about a job, without the handlers' output."""
    capsys.readouterr()
    provision(stack, command, job)
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")][-1]


@pytest.fixture(params=["rolled_back", "rollback_incomplete"])
def failed(request: pytest.FixtureRequest, stack: Stack, project_id: str) -> Ran:
    """A job that failed, and whose rollback was complete or not."""

    def refuse(*_: object) -> None:
        raise RuntimeError("not now")

    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        if request.param == "rolled_back":
            return run(stack, payload_for(project_id))
        with stack.runtime.replaced("DropDatabaseFunction", refuse):
            return run(stack, payload_for(project_id))


def test_every_view_of_a_failed_job_shows_the_same_line(
    stack: Stack, failed: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed.cause == endings.find(control_plane.connect(), failed.job_id).text
    for command in ("watch", "job", "show"):
        said = shown_by(stack, capsys, command, failed.job_id)
        assert said == typed(failed.cause)
    said = shown_by(stack, capsys, "rollback", failed.job_id)
    assert said == typed(endings.find(control_plane.connect(), failed.job_id).text)


def test_a_creation_ends_with_the_line(stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        assert provision(stack, "create", project_id) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    ending = endings.find(control_plane.connect(), lines[0].removeprefix("Job "))
    assert lines[-1] == typed(ending.text)


def test_a_compensation_that_fails_does_not_replace_what_went_wrong(stack: Stack, failed: Ran) -> None:
    assert failed.cause.partition(": ")[2].startswith("creating_schema failed on attempt 3: ")


LOST = """
    INSERT INTO control_plane.jobs (job_id, job_type, status, failed_stage, last_error_type, last_error_message)
    VALUES ({job}, 'provision_project', 'rolled_back', 'creating_schema', 'TIMEOUT', 'it did not end');
    INSERT INTO control_plane.provisioning_steps (job_id, stage, position, status, attempt)
    VALUES ({job}, 'creating_schema', 2, 'failed', 1), ({job}, 'finalizing', 8, 'failed', 1)
"""
"""A job whose tenant the control plane has lost, and in which no compensation has recorded anything."""


def test_a_stage_that_no_compensation_reached_is_not_said_to_be_gone(stack: Stack) -> None:
    job = f"job-{uuid.uuid4().hex[:12]}"
    execute(stack, sql.SQL(LOST).format(job=sql.Literal(job)), "control_plane")
    text = endings.find(control_plane.connect(), job).text
    assert "Nothing is left" not in text
    assert " Not known whether anything is left: creating_schema was not undone. " in text
