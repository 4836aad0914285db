"""provision watch shows what happens after a failure: compensations that retry, the cause that stays, a stopped job."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from cli.administration import print_status
from cli.connection import of_stack
from cli.progress_view import follow, stage_table
from cli.terminal import console
from console.execution_list import Query
from console.job_view import Sources
from console.stage_progress import failures_beside_stages, next_attempts, stage_progress
from local.lambda_environment import Handler
from local.stack import Stack
from provisioning import control_plane, endings
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.conftest import TIME_SCALE
from tests.console.browsing import new_job
from tests.console.conftest import held_clock
from tests.executions.running import ended, eventually, payload_for, replaced
from tests.executions.stage_faults import MESSAGE, STAGES, Fault, failing, named
from tests.executions.test_rollbacks import roll_back
from tests.executions.test_stopped import stop, unheard


def refuse(*_: object) -> None:
    raise RuntimeError("not now")


def not_permitted(*_: object) -> None:
    raise named("InsufficientPermissions")


@pytest.fixture(scope="module")
def sources(stack: Stack) -> Sources:
    return of_stack(stack.endpoint_url, stack.state_machine_arn, TIME_SCALE)


def ending_of(job: str) -> str:
    return endings.find(control_plane.connect(), job).text


def watched(sources: Sources, job: str, *, as_json: bool = False) -> list[str]:
    text = io.StringIO()
    follow(sources, job, Console(file=text, width=160), as_json=as_json)
    return text.getvalue().splitlines()


@contextmanager
def waiting_compensation(stack: Stack, project_id: str) -> Iterator[tuple[str, threading.Event]]:
    """A job whose rollback waits for its second attempt at the database, until the event is set."""
    job = new_job()
    with (
        stack.runtime.replaced("CreateSchemaFunction", not_permitted),
        stack.runtime.replaced("DropDatabaseFunction", refuse),
        held_clock(stack) as go_on,
    ):
        arn = stack.start_execution(payload_for(project_id), job)
        assert eventually(lambda: len(stack.clock.seconds(execution=job, state="Drop tenant database")) == 1)
        yield job, go_on
        go_on.set()
        stack.wait(arn)


def test_a_compensation_that_retries_is_shown_with_its_error_and_next_attempt(stack: Stack, project_id: str) -> None:
    unscaled = of_stack(stack.endpoint_url, stack.state_machine_arn, 1.0)
    with waiting_compensation(stack, project_id) as (job, go_on):
        shown = unscaled.read(job)
        assert shown is not None
        text = io.StringIO()
        table = stage_table(stage_progress(shown), next_attempts(shown), failures_beside_stages(shown))
        Console(file=text, width=120).print(table)
        threading.Timer(0.5, go_on.set).start()
        lines = watched(unscaled, job)
    assert "Drop tenant database" in text.getvalue()
    assert "RuntimeError: not now" in text.getvalue()
    assert any(line.endswith("Drop tenant database failed: RuntimeError: not now") for line in lines)
    assert any("Drop tenant database attempt 2 of 3, next in " in line for line in lines)


def test_a_stage_that_was_undone_keeps_its_error_beside_the_ending(
    stack: Stack, sources: Sources, project_id: str
) -> None:
    job = new_job()
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        stack.run(payload_for(project_id), job)
    lines = watched(sources, job)
    assert any(line.endswith(f"creating_schema      compensated (attempt 3): {MESSAGE}") for line in lines)
    document = json.loads(watched(sources, job, as_json=True)[-1])
    assert (document["status"], document["ending"]) == ("rolled_back", ending_of(job))


def test_an_aborted_execution_is_stopped_although_the_ledger_has_not_heard_of_it(
    stack: Stack, sources: Sources, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = unheard(stack, project_id, Fault.CRASH)
    capsys.readouterr()
    print_status(job, console(), sources.executions.describe)
    status, *rows = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    document = json.loads(watched(sources, job, as_json=True)[-1])
    shown = sources.read(job)
    roll_back(stack, job)
    assert status.startswith("stopped, 66 %, creating_schema")
    assert not [row for row in rows if "running" in row]
    assert document["status"] == "stopped"
    assert document["ending"].startswith("stopped: its execution was stopped (Changed: our mind). ")
    assert {step["status"] for step in document["steps"]} == {"succeeded", "failed", "pending", "skipped"}
    assert shown is not None
    assert stage_progress(shown).status == "stopped"


def test_a_job_that_could_not_be_closed_is_stopped_in_the_list_and_on_its_page(
    stack: Stack, sources: Sources, project_id: str
) -> None:
    job = new_job()
    with (
        stack.runtime.replaced("CreateSchemaFunction", not_permitted),
        stack.runtime.replaced("RecordFailureFunction", refuse),
    ):
        assert stack.run(payload_for(project_id), job)["error"] == "FailureNotRecorded"
    shown = sources.read(job)
    (row,) = [row for row in sources.execution_list.look(Query()).rows if row.name == job]
    roll_back(stack, job)
    assert shown is not None
    assert (shown.execution.status, shown.outcome) == ("FAILED", "stopped")
    assert (row.status, row.outcome) == ("FAILED", "stopped")


def test_a_job_that_succeeded_before_its_execution_was_stopped_has_succeeded_in_the_list_and_on_its_page(
    stack: Stack, sources: Sources, project_id: str
) -> None:
    done, over, job = threading.Event(), threading.Event(), new_job()

    def answer_late(handler: Handler, event: Any, context: Any) -> Any:
        answer = handler(event, context)
        done.set()
        over.wait(30)
        return answer

    with replaced(stack, "FinalizeFunction", answer_late):
        arn = stack.start_execution(payload_for(project_id), job)
        assert done.wait(30)
        stop(stack, arn)
        over.set()
        assert ended(stack, arn).status == "ABORTED"
    shown = sources.read(job)
    (row,) = [row for row in sources.execution_list.look(Query()).rows if row.name == job]
    assert shown is not None
    assert (row.status, row.outcome, shown.outcome) == ("ABORTED", "succeeded", "succeeded")


def test_an_execution_that_only_has_the_name_of_a_job_has_its_own_status(
    stack: Stack, sources: Sources, project_id: str
) -> None:
    job = stack.run(payload_for(project_id), new_job())["name"]
    stack.run({"project_id": "another"}, job, job_type=SUSPEND_PROJECT.job_type)
    rows = {row.machine: row for row in sources.execution_list.look(Query()).rows if row.name == job}
    assert sorted((row.status, row.outcome) for row in rows.values()) == [("FAILED", ""), ("SUCCEEDED", "succeeded")]
