"""The commands that start a job of any type, follow it, retry it and roll it back."""

from typing import Any

import pytest
from psycopg2 import sql
from typer.main import get_command

from cli.app import app
from cli.history_view import print_history
from cli.terminal import console, typed
from console.executions import Executions
from local.stack import Stack
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.cli.commanding import provision
from tests.conftest import NewProject
from tests.executions.running import eventually, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing, named


def jobs_of(stack: Stack, project_id: str) -> list[tuple[Any, ...]]:
    """The type, status and retried job of every job of a project, in order."""
    query = """
        SELECT job_type, status, payload ->> 'retries'
        FROM control_plane.jobs WHERE project_id = {} ORDER BY created_at
    """
    return execute(stack, sql.SQL(query).format(sql.Literal(project_id)), "control_plane")


def started(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return the execution that a command has started, and what it printed afterwards, without the handlers' output."""
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    return lines[0].removeprefix("Job ").removeprefix("Execution "), " ".join(" ".join(lines[1:]).split())


@pytest.fixture
def active(stack: Stack, new_project: NewProject) -> str:
    """A project that is provisioned."""
    project_id = new_project()
    assert run(stack, payload_for(project_id)).status == "SUCCEEDED"
    return project_id


@pytest.mark.parametrize("declared", DECLARATIONS.values(), ids=DECLARATIONS)
def test_every_job_type_has_the_command_that_it_declares(declared: Declaration) -> None:
    program, command, argument, *_ = declared.command.split()
    parser: Any = get_command(app)
    assert program == "provision"
    first = parser.commands[command].params[0]
    assert (first.metavar or first.name.upper()) == argument
    if command != "create":
        assert parser.commands[command].help.startswith(declared.summary)


def test_a_project_is_suspended_and_resumed(stack: Stack, active: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(stack, "suspend", active) == 0
    _, printed = started(capsys)
    assert printed.endswith(f"succeeded. Next: {typed(f'provision show {active}')}.")
    assert jobs_of(stack, active)[-1][0] == "suspend_project"
    assert provision(stack, "resume", active) == 0
    assert jobs_of(stack, active) == [
        ("provision_project", "succeeded", None),
        ("suspend_project", "succeeded", None),
        ("resume_project", "succeeded", None),
    ]


def test_a_job_is_refused_with_what_can_be_done(stack: Stack, active: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(stack, "resume", active) == 5
    assert typed(f"provision suspend {active}") in capsys.readouterr().err


def test_the_history_of_a_job_is_found_whatever_its_type(
    stack: Stack, active: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(stack, "suspend", active)
    job, _ = started(capsys)
    print_history(job, Executions(stack.client("stepfunctions"), stack.state_machine_arn), console())
    assert "Suspend tenant access" in capsys.readouterr().out
    assert provision(stack, "watch", job) == 0
    assert "suspending_access" in capsys.readouterr().out


def test_a_stopped_job_is_rolled_back_by_its_own_types_state_machine(
    stack: Stack, active: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise named("Lambda.Unknown")

    job = f"job-{active}"
    with stack.runtime.replaced("SuspendServicesFunction", refused):
        arn = stack.start_execution({"project_id": active}, job, SUSPEND_PROJECT.job_type)
        assert eventually(lambda: stack.clock.seconds(execution=job) != [])
        stack.client("stepfunctions").stop_execution(executionArn=arn)
        stack.wait(arn)
    assert provision(stack, "retry", job) == 5
    said = f"the job {job} is stopped: run provision rollback {job} first"
    assert typed(said) in capsys.readouterr().err
    assert provision(stack, "rollback", job) == 0
    rollback, outcome = started(capsys)
    assert " rolled_back: " in outcome
    machine = state_machine_of(stack.state_machine_arn, SUSPEND_PROJECT.job_type)
    assert stack.wait(f"{machine.replace(':stateMachine:', ':execution:')}:{rollback}")["status"] == "FAILED"
    assert jobs_of(stack, active)[-1] == ("suspend_project", "rolled_back", None)


def test_a_retry_is_in_the_place_of_the_job_whose_rollback_was_incomplete(
    stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise named("Lambda.Unknown")

    with (
        failing(stack, STAGES["creating_schema"], Fault.ERROR),
        stack.runtime.replaced("DropDatabaseFunction", refused),
    ):
        job = run(stack, payload_for(project_id)).job_id
    assert provision(stack, "retry", job) == 0
    assert "succeeded. Next: " in capsys.readouterr().out
    assert jobs_of(stack, project_id) == [
        ("provision_project", "rollback_incomplete", None),
        ("provision_project", "succeeded", job),
    ]


def test_a_retry_of_a_job_that_was_rolled_back_is_a_plain_new_one(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        job = run(stack, payload_for(project_id)).job_id
    assert provision(stack, "retry", job) == 0
    assert jobs_of(stack, project_id)[-1] == ("provision_project", "succeeded", None)


def test_what_has_succeeded_or_was_never_opened_is_not_retried(
    stack: Stack, active: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = run(stack, payload_for(active)).job_id
    ((succeeded,),) = execute(
        stack,
        sql.SQL("SELECT job_id FROM control_plane.projects WHERE project_id = {}").format(sql.Literal(active)),
        "control_plane",
    )
    assert provision(stack, "retry", succeeded) == 5
    assert "is succeeded: there is nothing to retry" in capsys.readouterr().err
    assert provision(stack, "retry", refused) == 5
    said = f"so its payload is not stored: provision show {active}"
    assert typed(said) in capsys.readouterr().err
    assert provision(stack, "retry", "nobody") == 3
    assert "there is no project and no job nobody" in capsys.readouterr().err
