"""A job is stopped, rolled back and retried once by a request, however often it is sent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from psycopg2 import sql

from local.lambda_environment import Handler
from local.stack import Stack
from provisioning import control_plane, endings
from provisioning.errors import JobInProgress
from provisioning.requests import changing
from provisioning.requests.refusals import IdempotencyKeyReused, JobNotEligible, JobNotFound
from provisioning.requests.remembering import find_pending
from tests.conftest import NewProject
from tests.executions.running import execute, payload_for, replaced, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.waiting import waiting as waiting_job
from tests.requests.sending import ACCOUNT, arn_of, jobs_of, request, requests_of, send, wait

pytestmark = pytest.mark.slow
STOP, ROLL_BACK, RETRY = "POST …/stop", "POST …/rollback", "POST …/retry"


def outcome(job_id: str) -> str | None:
    return endings.find(control_plane.connect(), job_id).outcome


def waiting(stack: Stack, project_id: str) -> AbstractContextManager[str]:
    """A job of this project that a request has started, and that waits for its second attempt."""
    return waiting_job(stack, project_id, lambda project_id: send(request(), project_id).job_id)


def payload_of(stack: Stack, job_id: str) -> dict[str, Any]:
    query = sql.SQL("SELECT payload FROM control_plane.jobs WHERE job_id = {}").format(sql.Literal(job_id))
    ((payload,),) = execute(stack, query, "control_plane")
    return dict(payload)


def rolled_back(stack: Stack, project_id: str) -> str:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        return run(stack, payload_for(project_id)).job_id


def test_a_stop_ends_the_job_and_starts_its_rollback(stack: Stack, project_id: str) -> None:
    asked = request(route=STOP)
    with waiting(stack, project_id) as job_id:
        changed = changing.stop_job(job_id, asked)
        assert wait(stack, job_id) == "ABORTED"
    assert (changed.job_id, changed.is_repeated) == (job_id, False)
    assert changed.rollback is not None
    assert wait(stack, changed.rollback) == "FAILED"
    ending = endings.find(control_plane.connect(), job_id)
    assert ending.outcome == "rolled_back"
    who = f"{ACCOUNT}/AROAEXAMPLEBACKEND"
    assert ending.message == f"its execution was stopped (StoppedByRequest: by {who})"
    assert changing.stop_job(job_id, asked) == changed._replace(is_repeated=True), "also after the end"


def test_a_stop_without_a_rollback_leaves_the_job_to_one(stack: Stack, project_id: str) -> None:
    with waiting(stack, project_id) as job_id:
        assert changing.stop_job(job_id, request(route=STOP), rolls_back=False).rollback is None
        wait(stack, job_id)
    assert outcome(job_id) == "stopped"
    rollback = changing.roll_back_job(job_id, request(route=ROLL_BACK)).rollback
    assert wait(stack, str(rollback)) == "FAILED"
    assert outcome(job_id) == "rolled_back"


def test_a_stop_is_recorded_although_its_event_never_comes(stack: Stack, project_id: str) -> None:
    with (
        stack.runtime.replaced("RecordStoppedExecutionsFunction", lambda *_: {}),
        waiting(stack, project_id) as job_id,
    ):
        changing.stop_job(job_id, request(route=STOP), rolls_back=False)
        assert outcome(job_id) == "stopped"


def test_a_job_whose_execution_was_never_started_is_stopped_before_it_opens(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request()
    with monkeypatch.context() as never:
        never.setattr("provisioning.requests.starting.start_once", lambda *_: None)
        job_id = send(asked, project_id).job_id
    assert find_pending(job_id) is not None
    changing.stop_job(job_id, request(route=STOP), rolls_back=False)
    assert outcome(job_id) == "stopped"
    assert [job[3] for job in jobs_of(stack, project_id)] == [f"{ACCOUNT}/AROAEXAMPLEBACKEND"]
    assert send(asked, project_id).job_id == job_id
    assert stack.run(payload_for(project_id), job_id)["status"] == "FAILED"


def test_a_stop_during_an_attempt_is_to_be_repeated_until_the_execution_has_ended(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "LONGEST_STOP_SECONDS", 0.1)
    begun, over, asked = threading.Event(), threading.Event(), request(route=STOP)

    def hold(handler: Handler, event: Any, context: Any) -> Any:
        begun.set()
        over.wait(30)
        return handler(event, context)

    with replaced(stack, "CreateSchemaFunction", hold):
        job_id = send(request(), project_id).job_id
        assert begun.wait(30)
        with pytest.raises(JobInProgress, match="repeat the request"):
            changing.stop_job(job_id, asked)
        over.set()
        wait(stack, job_id)
    changed = changing.stop_job(job_id, asked)
    assert changed.is_repeated
    assert wait(stack, str(changed.rollback)) == "FAILED"
    assert outcome(job_id) == "rolled_back"


@pytest.mark.parametrize("rolls_back", [True, False], ids=["with a rollback", "without one"])
def test_a_stop_that_comes_too_late_is_refused_also_when_it_is_repeated(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch, *, rolls_back: bool
) -> None:
    begun, over, asked, end = threading.Event(), threading.Event(), request(route=STOP), changing._end

    def hold(handler: Handler, event: Any, context: Any) -> Any:
        begun.set()
        assert over.wait(30)
        return handler(event, context)

    def end_too_late(known: changing.Known, *arguments: Any) -> None:
        over.set()
        assert wait(stack, known.job_id) == "SUCCEEDED"
        end(known, *arguments)

    monkeypatch.setattr(changing, "_end", end_too_late)
    with replaced(stack, "CreateSchemaFunction", hold):
        job_id = send(request(), project_id).job_id
        assert begun.wait(30)
        for _ in range(2):
            with pytest.raises(JobNotEligible, match=f"the job {job_id} is succeeded: there is nothing to stop"):
                changing.stop_job(job_id, asked, rolls_back=rolls_back)


def test_many_that_stop_a_job_at_once_start_one_rollback(stack: Stack, project_id: str) -> None:
    asked = request(route=STOP)
    with waiting(stack, project_id) as job_id, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: changing.stop_job(job_id, asked), range(8)))
        wait(stack, job_id)
    (rollback,) = {answer.rollback for answer in answers}
    assert wait(stack, str(rollback)) == "FAILED"
    assert outcome(job_id) == "rolled_back"
    assert len(requests_of(stack, project_id)) == 2


def test_a_retry_starts_one_new_job_with_the_same_payload(stack: Stack, project_id: str) -> None:
    job_id, asked = rolled_back(stack, project_id), request(route=RETRY)
    first = changing.retry_job(job_id, asked)
    assert wait(stack, first.job_id) == "SUCCEEDED"
    assert changing.retry_job(job_id, asked) == first._replace(is_repeated=True)
    assert [job[0] for job in jobs_of(stack, project_id)] == [job_id, first.job_id]


def test_a_retry_replaces_a_job_of_which_something_is_left(stack: Stack, project_id: str) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("not now")

    with ExitStack() as faults:
        faults.enter_context(failing(stack, STAGES["creating_schema"], Fault.ERROR))
        faults.enter_context(stack.runtime.replaced("DropDatabaseFunction", refuse))
        job_id = run(stack, payload_for(project_id)).job_id
    assert outcome(job_id) == "rollback_incomplete"
    retried = changing.retry_job(job_id, request(route=RETRY)).job_id
    assert wait(stack, retried) == "SUCCEEDED"
    assert payload_of(stack, retried)["retries"] == job_id


def test_a_key_means_one_job_to_change(stack: Stack, new_project: NewProject) -> None:
    one, other, asked = rolled_back(stack, new_project()), rolled_back(stack, new_project()), request(route=ROLL_BACK)
    rollback = changing.roll_back_job(one, asked).rollback
    for change in (changing.roll_back_job, changing.stop_job, changing.retry_job):
        with pytest.raises(IdempotencyKeyReused):
            change(other, asked)
    assert wait(stack, str(rollback)) == "FAILED"


@pytest.mark.parametrize("change", [changing.roll_back_job, changing.retry_job], ids=["a rollback", "a retry"])
def test_a_change_of_a_running_job_is_refused_and_names_it(stack: Stack, project_id: str, change: Any) -> None:
    with waiting(stack, project_id) as job_id:
        with pytest.raises(
            JobInProgress, match=f"is running: wait for its end, or run provision stop {job_id}$"
        ) as refused:
            change(job_id, request(route=ROLL_BACK))
        assert refused.value.job_id == job_id
        changing.stop_job(job_id)


def test_a_retry_beside_another_job_of_the_project_names_that_one(stack: Stack, project_id: str) -> None:
    failed = rolled_back(stack, project_id)
    with waiting(stack, project_id) as running:
        with pytest.raises(JobInProgress) as refused:
            changing.retry_job(failed, request(route=RETRY))
        assert refused.value.job_id == running
        changing.stop_job(running)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changing.stop_job, "there is nothing to stop"),
        (changing.roll_back_job, "there is nothing to roll back"),
        (changing.retry_job, "there is nothing to retry"),
    ],
    ids=["a stop", "a rollback", "a retry"],
)
def test_a_change_of_a_job_that_succeeded_is_refused(stack: Stack, project_id: str, change: Any, said: str) -> None:
    job_id = run(stack, payload_for(project_id)).job_id
    with pytest.raises(JobNotEligible, match=f"the job {job_id} is succeeded: {said}"):
        change(job_id, request(route=STOP))
    assert requests_of(stack, project_id) == [], "the key is free"


def test_a_job_that_ended_by_itself_is_not_stopped(stack: Stack, project_id: str) -> None:
    job_id = rolled_back(stack, project_id)
    with pytest.raises(JobNotEligible, match="is rolled_back: it has ended"):
        changing.stop_job(job_id, request(route=STOP))


@pytest.mark.parametrize("change", [changing.stop_job, changing.roll_back_job, changing.retry_job])
@pytest.mark.usefixtures("stack")
def test_a_job_that_nobody_knows_is_not_found(change: Any) -> None:
    with pytest.raises(JobNotFound, match="there is no job nobody"):
        change("nobody", request(route=STOP))


def test_a_rollbacks_execution_is_no_job(stack: Stack, project_id: str) -> None:
    job_id = rolled_back(stack, project_id)
    rollback = str(changing.roll_back_job(job_id, request(route=ROLL_BACK)).rollback)
    with pytest.raises(JobNotFound):
        changing.stop_job(rollback, request(route=STOP))
    pending = find_pending(rollback)
    assert pending is not None
    assert pending.rolls_back == job_id
    assert stack.wait(arn_of(stack, rollback))["status"] == "FAILED"
