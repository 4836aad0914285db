"""provision watch shows what happens after a failure: compensations that retry, the cause that stays, a stopped job."""

import io
import json
import threading
from typing import Any
from unittest.mock import patch

import pytest
from rich.console import Console

from cli.api_client import Api
from cli.connection import of_stack
from cli.following import follow, print_job
from cli.terminal import console
from console.execution_list import Query
from console.job_view import Sources
from local.lambda_environment import Handler
from local.stack import Stack
from provisioning import control_plane, endings
from provisioning.errors import RollbackFailed
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant import removing
from tests.cli.commanding import api_of
from tests.conftest import TIME_SCALE
from tests.console.browsing import new_job
from tests.executions.running import ended, payload_for, replaced
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


@pytest.fixture(scope="module")
def api(stack: Stack) -> Api:
    return api_of(stack)


def watched(api: Api, job: str, *, as_json: bool = False) -> list[str]:
    text = io.StringIO()
    follow(api, job, Console(file=text, width=160), as_json=as_json)
    return text.getvalue().splitlines()


def test_a_compensation_that_retries_is_shown_with_its_error(stack: Stack, api: Api, project_id: str) -> None:
    job, reached, go_on = new_job(), threading.Event(), threading.Event()
    attempts: list[Any] = []

    def refused_once(handler: Handler, event: Any, context: Any) -> Any:
        attempts.append(event)
        if len(attempts) > 1:
            reached.set()
            assert go_on.wait(60)
            return handler(event, context)
        with patch.object(removing, "remove", side_effect=RollbackFailed("not now")):
            return handler(event, context)

    with (
        stack.runtime.replaced("CreateSchemaFunction", not_permitted),
        replaced(stack, "DropDatabaseFunction", refused_once),
    ):
        arn = stack.start_execution(payload_for(project_id), job)
        assert reached.wait(60)
        text = io.StringIO()
        print_job(api.job(job), Console(file=text, width=120))
        threading.Timer(0.5, go_on.set).start()
        lines = watched(api, job)
        stack.wait(arn)
    assert "creating_database, creating_schema: not now" in text.getvalue()
    said = "rolling_back         failed, and is tried again: creating_database, creating_schema: not now"
    assert [line[7:] for line in lines].count(said) == 1


def test_a_stage_that_was_undone_keeps_its_error_beside_the_ending(stack: Stack, api: Api, project_id: str) -> None:
    job = new_job()
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        stack.run(payload_for(project_id), job)
    lines = watched(api, job)
    assert any(line.endswith(f"creating_schema      compensated (attempt 3): {MESSAGE}") for line in lines)
    document = json.loads(watched(api, job, as_json=True)[-1])
    assert (document["status"], document["ending"]["text"]) == ("rolled_back", ending_of(job))


def test_an_aborted_execution_is_stopped_although_the_ledger_has_not_heard_of_it(
    stack: Stack, api: Api, sources: Sources, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = unheard(stack, project_id, Fault.CRASH)
    capsys.readouterr()
    print_job(api.job(job), console())
    status, *rows = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    document = json.loads(watched(api, job, as_json=True)[-1])
    shown = sources.read(job)
    roll_back(stack, job)
    assert status.startswith("stopped, 66 %, creating_schema")
    assert not [row for row in rows if "running" in row]
    assert document["status"] == "stopped"
    assert document["ending"]["text"].startswith("stopped: its execution was stopped (Changed: our mind). ")
    assert {step["status"] for step in document["steps"]} == {"succeeded", "failed", "pending", "skipped"}
    assert shown is not None
    assert shown.progress is not None
    assert shown.progress.status == "stopped"


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
