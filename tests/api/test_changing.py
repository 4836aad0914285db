"""Routes that stop a job, roll it back or retry it."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from local.lambda_environment import Handler
from local.stack import Stack
from provisioning.errors import RollbackFailed
from provisioning.tenant import removing
from tests.api.asking import Answer, ask, get
from tests.executions.running import ended, eventually, payload_for, replaced, run
from tests.executions.stage_faults import STAGES, Fault, failing


def change(job_id: str, what: str, key: str | None = None) -> Answer:
    """Ask for a change of a job, under a key of its own if none is given."""
    return ask("POST", f"/v1/jobs/{job_id}/{what}", key=key or uuid.uuid4().hex)


def outcome_is(job_id: str, outcome: str) -> bool:
    return eventually(lambda: bool(get(f"/v1/jobs/{job_id}")["outcome"] == outcome), 60)


@contextmanager
def running(stack: Stack, project_id: str) -> Iterator[str]:
    """A job that is at its schema until the block is left, or its execution is stopped."""
    reached, go_on = threading.Event(), threading.Event()

    def held(handler: Handler, event: Any, context: Any) -> Any:
        reached.set()
        # As long as an attempt may take that outlives its execution.
        go_on.wait(3)
        return handler(event, context)

    with replaced(stack, "CreateSchemaFunction", held):
        arn = stack.start_execution(payload_for(project_id), f"job-{uuid.uuid4().hex[:12]}")
        assert reached.wait(60)
        yield arn.rpartition(":")[2]
        go_on.set()
        ended(stack, arn)


def test_a_running_job_is_stopped_and_rolled_back_by_one_request(stack: Stack, project_id: str) -> None:
    key = uuid.uuid4().hex
    with running(stack, project_id) as job_id:
        answer = change(job_id, "stop", key)
        assert (answer.status, answer.body["job_id"], answer.body["is_repeated"]) == (202, job_id, False)
        repeated = change(job_id, "stop", key)
        assert (repeated.body["rollback"], repeated.body["is_repeated"]) == (answer.body["rollback"], True)
    assert outcome_is(job_id, "rolled_back")
    assert get(f"/v1/projects/{project_id}")["status"] == "failed"


def test_a_rollback_is_running_under_its_name_until_its_execution_has_ended(stack: Stack, project_id: str) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def held(handler: Handler, event: Any, context: Any) -> Any:
        reached.set()
        go_on.wait(60)
        return handler(event, context)

    with running(stack, project_id) as job_id:
        assert change(job_id, "stop?rollback=false").status == 202
    with replaced(stack, "DropDatabaseFunction", held):
        name = change(job_id, "rollback").body["rollback"]
        assert reached.wait(60)
        assert get(f"/v1/jobs/{job_id}")["outcome"] == "stopped"
        during = get(f"/v1/jobs/{name}")
        go_on.set()
        after = get(f"/v1/jobs/{name}?wait=20")
    assert (during["job_id"], during["status"], during["outcome"], during["ending"]) == (job_id, "running", None, None)
    assert during["failed_compensations"] == []
    assert (after["job_id"], after["outcome"], after["ending"]["outcome"]) == (job_id, "rolled_back", "rolled_back")


def test_a_compensation_that_fails_is_named_until_it_is_done(stack: Stack, project_id: str) -> None:
    seen: list[Any] = []

    def again(handler: Handler, event: Any, context: Any) -> Any:
        seen.append(get(f"/v1/jobs/{event['job_id']}")["failed_compensations"])
        if len(seen) == 1:
            with patch.object(removing, "remove", side_effect=RollbackFailed("not now")):
                return handler(event, context)
        return handler(event, context)

    with failing(stack, STAGES["creating_schema"], Fault.ERROR), replaced(stack, "DropDatabaseFunction", again):
        ran = run(stack, payload_for(project_id))
    (failure,) = seen[1]
    assert seen[0] == []
    assert (failure["stages"], failure["error_message"]) == (["creating_database", "creating_schema"], "not now")
    assert get(f"/v1/jobs/{ran.job_id}")["failed_compensations"] == []


def test_a_job_is_stopped_without_a_rollback_and_rolled_back_later(stack: Stack, project_id: str) -> None:
    with running(stack, project_id) as job_id:
        answer = change(job_id, "stop?rollback=false")
        assert (answer.status, answer.body["rollback"]) == (202, None)
        assert outcome_is(job_id, "stopped")
    assert change(job_id, "rollback").status == 202
    assert outcome_is(job_id, "rolled_back")


def test_a_job_that_was_rolled_back_is_retried_once_for_each_key(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        failed = run(stack, payload_for(project_id))
    key = uuid.uuid4().hex
    answer, repeated = (change(failed.job_id, "retry", key) for _ in range(2))
    assert (answer.status, answer.body["retries"]) == (202, failed.job_id)
    assert (repeated.body["job_id"], repeated.body["is_repeated"]) == (answer.body["job_id"], True)
    assert outcome_is(answer.body["job_id"], "succeeded")


def test_a_change_that_the_jobs_outcome_does_not_admit_names_the_job(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id))
    for what in ("stop", "rollback", "retry"):
        answer = change(ran.job_id, what)
        assert (answer.status, answer.body["type"]) == (409, "JobNotEligible")
        assert answer.body["job_id"] == ran.job_id


def test_a_change_of_an_unknown_job_is_not_found(stack: Stack) -> None:
    for what in ("stop", "rollback", "retry"):
        answer = change("nothing", what)
        assert (answer.status, answer.body["type"]) == (404, "JobNotFound")


def test_a_change_needs_a_key(stack: Stack) -> None:
    for what in ("stop", "rollback", "retry"):
        assert ask("POST", f"/v1/jobs/nothing/{what}").status == 400
