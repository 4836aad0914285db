"""Two Idempotency-Keys for one project: both requests are answered before either job has opened, and one job opens."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from local.lambda_environment import Handler
from local.stack import Stack
from tests.api.asking import get, post
from tests.conftest import NewProject
from tests.executions.running import eventually, payload_for, replaced
from tests.executions.worlds import look, problems_of_provisioned


class Both(NamedTuple):
    """The job that opened, and the one that was refused: as the API had it while the other ran, and at the end."""

    stack: Stack
    project_id: str
    first: dict[str, Any]
    refused_meanwhile: dict[str, Any]
    refused: dict[str, Any]


@pytest.fixture(scope="module")
def both(stack: Stack, new_project: NewProject) -> Both:
    project_id, together, go_on = new_project(), threading.Barrier(2, timeout=60), threading.Event()

    def meet(handler: Handler, event: Any, context: Any) -> Any:
        together.wait()
        return handler(event, context)

    def hold(handler: Handler, event: Any, context: Any) -> Any:
        go_on.wait(60)
        return handler(event, context)

    def start(_: int) -> str:
        answer = post(f"/v1/projects/{project_id}/jobs/provision_project", payload_for(project_id))
        assert (answer.status, answer.body["is_repeated"]) == (202, False)
        return str(answer.body["job_id"])

    with (
        replaced(stack, "VerifyProjectFunction", meet),
        replaced(stack, "CreateDatabaseFunction", hold),
        ThreadPoolExecutor(2) as callers,
    ):
        jobs = list(callers.map(start, range(2)))
        assert eventually(lambda: len(ended_of(jobs)) == 1, 60)
        ((refused, found),) = ended_of(jobs).items()
        (first,) = set(jobs) - {refused}
        go_on.set()
        done = get(f"/v1/jobs/{first}?wait=25")
    return Both(stack, project_id, done, found, get(f"/v1/jobs/{refused}"))


def ended_of(jobs: list[str]) -> dict[str, Any]:
    return {job: found for job in jobs if (found := get(f"/v1/jobs/{job}"))["outcome"] is not None}


def test_one_job_gives_the_project_one_tenant(both: Both) -> None:
    assert both.first["outcome"] == "succeeded"
    assert problems_of_provisioned(look(both.stack, both.project_id), payload_for(both.project_id)) == []


def test_the_other_has_failed_and_names_the_job_that_runs(both: Both) -> None:
    first, found = both.first["job_id"], both.refused_meanwhile
    assert (found["outcome"], found["ending"]["error_type"]) == ("failed", "JOB_IN_PROGRESS")
    # On another version of PostgreSQL than the newest, the payload names that, and so does the command.
    assert found["ending"]["text"].startswith(
        f"failed: initializing failed: the project {both.project_id} is provisioning: wait until its job {first} has"
        f" ended. Next: provision watch {first}, then provision create {both.project_id}"
    )
    assert (found["ending"]["undone"], found["ending"]["left"], found["ending"]["unknown"]) == ([], [], [])


def test_after_the_end_of_the_first_it_leads_to_the_project_and_asks_for_nothing_to_be_corrected(both: Both) -> None:
    assert both.refused["ending"]["next_command"] == f"provision show {both.project_id}"
    assert both.refused["ending"]["message"] == both.refused_meanwhile["ending"]["message"]
