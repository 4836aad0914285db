"""A request is remembered for 90 days; upkeep then forgets it, and its key is a new one."""

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.requests.remembering import Request
from tests.executions.running import execute
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.requests.sending import jobs_of, request, requests_of, send, wait
from tests.stages.jobs import Context
from upkeep import reconcile

AGE = "UPDATE control_plane.requests SET created_at = now() - {} * interval '1 day' WHERE job_id = {}"


def age(stack: Stack, job_id: str, days: float) -> None:
    execute(stack, sql.SQL(AGE).format(sql.Literal(days), sql.Literal(job_id)), "control_plane")


@pytest.fixture
def sent(stack: Stack, project_id: str) -> tuple[Request, str]:
    """A request, and its job, which was rolled back."""
    asked = request()
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        job_id = send(asked, project_id).job_id
        assert wait(stack, job_id) == "FAILED"
    return asked, job_id


def test_a_request_is_remembered_for_almost_90_days(stack: Stack, project_id: str, sent: tuple[Request, str]) -> None:
    asked, job_id = sent
    age(stack, job_id, 89.9)
    reconcile.reconcile({}, Context())
    assert send(asked, project_id).job_id == job_id
    assert len(jobs_of(stack, project_id)) == 1


def test_a_key_that_is_sent_after_90_days_starts_another_job(
    stack: Stack, project_id: str, sent: tuple[Request, str]
) -> None:
    asked, job_id = sent
    age(stack, job_id, 90.1)
    reconcile.reconcile({}, Context())
    assert requests_of(stack, project_id) == []
    another = send(asked, project_id, metadata={"another": "body"})
    assert (another.job_id == job_id, another.is_repeated) == (False, False)
    assert wait(stack, another.job_id) == "SUCCEEDED"
    assert [job[0] for job in jobs_of(stack, project_id)] == [job_id, another.job_id]


def test_one_run_forgets_no_more_than_it_may(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch, sent: tuple[Request, str]
) -> None:
    age(stack, sent[1], 200)
    second = send(request(), project_id).job_id
    wait(stack, second)
    age(stack, second, 100)
    monkeypatch.setattr(reconcile, "AT_MOST", 1)
    reconcile.reconcile({}, Context())
    assert [job_id for _, _, job_id in requests_of(stack, project_id)] == [second], "the oldest first"
