"""A job that the ledger calls running, and whose execution Step Functions does not have: every view says so."""

import re
import uuid
from collections.abc import Callable, Iterator
from io import StringIO
from typing import NamedTuple
from unittest.mock import patch

import pytest
from botocore.exceptions import EndpointConnectionError
from psycopg2 import sql
from rich.console import Console

from cli import following, listing, lookup_view, project_view
from cli.api_client import Api
from cli.connection import of_stack
from console.job_view import Sources
from console.render import render
from local.stack import Stack
from provisioning import control_plane
from provisioning.jobs import executions
from provisioning.listing import MOST_ASKED, outcomes
from provisioning.requests import changing
from provisioning.requests.refusals import JobNotEligible
from tests.api.asking import get
from tests.cli.commanding import api_of, provision
from tests.conftest import TIME_SCALE
from tests.executions.running import execute
from tests.executions.test_rollbacks import forgotten
from tests.executions.test_stopped import unheard
from tests.executions.worlds import look, problems_after_last_look
from tests.requests import sending

GONE = "stopped: its execution no longer exists. Nothing was rolled back. Still there: "
RUNNING = """
    INSERT INTO control_plane.jobs (job_id, job_type, status, execution_arn)
    VALUES ({job}, 'provision_project', 'running', 'arn:aws:states:us-east-1:123456789012:execution:none:' || {job})
"""
DELETED = "DELETE FROM control_plane.jobs WHERE job_id = ANY ({jobs})"
EARLIER = "UPDATE control_plane.requests SET created_at = now() - interval '2 minutes' WHERE job_id = {job}"
OLDER = "UPDATE control_plane.jobs SET started_at = now() - {age}::interval WHERE job_id = {job}"


class Gone(NamedTuple):
    """A running job whose execution does not exist any more."""

    stack: Stack
    job_id: str
    project_id: str

    @property
    def api(self) -> Api:
        return api_of(self.stack)

    @property
    def sources(self) -> Sources:
        return of_stack(self.stack.endpoint_url, self.stack.state_machine_arn, TIME_SCALE)

    def opened(self, age: str) -> None:
        """Let the job have opened so long ago."""
        execute(self.stack, sql.SQL(OLDER).format(age=sql.Literal(age), job=sql.Literal(self.job_id)), "control_plane")

    def printed(self, show: Callable[[Console], object]) -> str:
        """Return what a view prints, with single spaces."""
        text = StringIO()
        show(Console(file=text, width=200))
        return " ".join(text.getvalue().split())


@pytest.fixture
def gone(stack: Stack, project_id: str) -> Iterator[Gone]:
    job = Gone(stack, unheard(stack, project_id), project_id)
    with forgotten(job.job_id):
        job.opened("2 minutes")
        yield job


def of_console(gone: Gone) -> str:
    assert gone.sources.read(gone.job_id) is None
    remembered = gone.sources.remembered(gone.job_id)
    assert remembered is not None
    record, ending = remembered
    assert record.progress is not None
    assert record.progress.status == "stopped"
    return re.sub("<[^>]+>", "", render("forgotten", name=gone.job_id, progress=record.progress, ending=ending))


WITH_ENDING: dict[str, Callable[[Gone], str]] = {
    "job": lambda gone: gone.printed(lambda console: following.print_job(gone.api.job(gone.job_id), console)),
    "watch": lambda gone: gone.printed(lambda console: following.follow(gone.api, gone.job_id, console, as_json=True)),
    "api": lambda gone: str(get(f"/v1/jobs/{gone.job_id}")["ending"]["text"]),
    "console": of_console,
}
IN_ONE_WORD: dict[str, Callable[[Gone], object]] = {
    "jobs": lambda gone: gone.printed(
        lambda console: listing.print_jobs(gone.api, console, 1, project_id=gone.project_id)
    ).partition(f" {gone.project_id} ")[2],
    "ls": lambda gone: gone.printed(lambda console: listing.print_projects(gone.api, console, 1)).partition(
        f"{gone.job_id}, "
    )[2],
    "show": lambda gone: gone.printed(
        lambda console: project_view.print_project(gone.api, gone.api.project(gone.project_id), console)
    ).partition(f"{gone.job_id}, ")[2],
    "whose": lambda gone: gone.printed(
        lambda console: lookup_view.print_owner(look(gone.stack, gone.project_id).tenants[0]["tenant_id"], console)
    ).partition(f"{gone.job_id}, ")[2],
    "api jobs": lambda gone: get(f"/v1/jobs?project_id={gone.project_id}")["jobs"][0]["outcome"],
    "api project": lambda gone: get(f"/v1/projects/{gone.project_id}")["job"]["status"],
    "api projects": lambda gone: get("/v1/projects?limit=1")["projects"][0]["job"]["status"],
}


def test_every_view_with_an_ending_says_that_the_execution_no_longer_exists_and_what_is_next(gone: Gone) -> None:
    said = {name: view(gone) for name, view in WITH_ENDING.items()}
    assert [name for name, text in said.items() if GONE not in text] == []
    assert [name for name, text in said.items() if f"provision rollback {gone.job_id}." not in text] == []


def test_every_list_says_that_the_job_has_stopped(gone: Gone) -> None:
    said = {name: str(view(gone)) for name, view in IN_ONE_WORD.items()}
    assert [name for name, word in said.items() if not re.match("stopped\\b", word)] == [], said


def test_a_job_that_has_just_opened_is_running_although_step_functions_does_not_show_it_yet(gone: Gone) -> None:
    gone.opened("20 seconds")
    assert get(f"/v1/jobs/{gone.job_id}")["status"] == "running"
    assert IN_ONE_WORD["api jobs"](gone) is None


def test_a_job_is_running_if_step_functions_does_not_answer_whether_its_execution_exists(gone: Gone) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://states")

    with patch.object(executions, "describe", refuse):
        assert get(f"/v1/jobs/{gone.job_id}")["status"] == "running"
        assert IN_ONE_WORD["api jobs"](gone) is None


def test_the_next_command_rolls_the_job_back_and_its_ending_says_the_same_of_the_execution(
    gone: Gone, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(gone.stack, "rollback", gone.job_id) == 0
    assert "rolled_back: its execution no longer exists at creating_schema, which had" in capsys.readouterr().out
    assert problems_after_last_look(gone.stack, gone.project_id) == []


def test_a_request_may_roll_it_back_and_a_retry_is_told_to_do_that_first(gone: Gone) -> None:
    with pytest.raises(JobNotEligible, match=f"is stopped: run provision rollback {gone.job_id} first"):
        changing.find_retried(gone.job_id)
    rollback = str(changing.roll_back_job(gone.job_id).rollback)
    gone.stack.wait(executions.arn_of(changing._known(gone.job_id).job_type, rollback))
    assert get(f"/v1/jobs/{gone.job_id}")["outcome"] == "rolled_back"


@pytest.mark.parametrize("age", ["2 minutes", "100 days"])
def test_a_stop_records_it_as_what_it_is(gone: Gone, age: str) -> None:
    gone.opened(age)
    changing.stop_job(gone.job_id, rolls_back=False)
    (job,) = look(gone.stack, gone.project_id).jobs
    assert (job["status"], job["last_error_message"]) == ("stopped", "its execution no longer exists")


def test_a_rollback_whose_execution_is_gone_leads_to_the_ending_of_its_job(gone: Gone) -> None:
    request = sending.request(route="POST …/rollback")
    rollback = str(changing.roll_back_job(gone.job_id, request).rollback)
    gone.stack.wait(executions.arn_of(changing._known(gone.job_id).job_type, rollback))
    with forgotten(rollback):
        assert get(f"/v1/jobs/{rollback}")["outcome"] is None, "it was asked for a moment ago"
        older = sql.SQL(EARLIER).format(job=sql.Literal(rollback))
        execute(gone.stack, older, "control_plane")
        assert get(f"/v1/jobs/{rollback}")["outcome"] == "rolled_back"


@pytest.fixture
def many(stack: Stack) -> Iterator[list[tuple[str, str]]]:
    """More running jobs, the newest first, than are asked about at once, and whose executions do not exist."""
    jobs = [f"many-{uuid.uuid4().hex[:8]}" for _ in range(MOST_ASKED + 2)]
    execute(stack, sql.SQL(";").join(sql.SQL(RUNNING).format(job=sql.Literal(job)) for job in jobs), "control_plane")
    yield [(job, "running") for job in jobs]
    execute(stack, sql.SQL(DELETED).format(jobs=sql.Literal(jobs)), "control_plane")


def test_of_many_unfinished_jobs_the_oldest_are_asked_about(many: list[tuple[str, str]]) -> None:
    told = outcomes(control_plane.connect(), many, executions.describe_if_possible)
    assert [told[job] for job, _ in many] == ["running"] * 2 + ["stopped"] * MOST_ASKED


def test_where_nobody_answers_only_one_question_is_asked(many: list[tuple[str, str]]) -> None:
    asked: list[str] = []
    assert outcomes(control_plane.connect(), many, asked.append) == dict(many)
    assert len(asked) == 1
