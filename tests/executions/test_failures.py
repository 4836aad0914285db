"""Executions in which a stage fails permanently: nothing is left, and the cause says what happened."""

import re
from dataclasses import dataclass

import pytest

from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.running import SERVICES, Ran, payload_for, run
from tests.executions.stage_faults import MESSAGE, STAGES, Fault, FaultyStage, failing
from tests.executions.worlds import World, look, problems_after_last_look


@dataclass(frozen=True)
class Failed:
    """An execution in which one stage failed permanently, and the world after it."""

    stage: FaultyStage
    attempts: int
    ran: Ran
    world: World
    problems: list[str]


@pytest.fixture(scope="module", params=STAGES)
def failed(request: pytest.FixtureRequest, stack: Stack, new_project: NewProject) -> Failed:
    stage, project_id = STAGES[request.param], new_project()
    with failing(stack, stage, Fault.ERROR) as attempts:
        ran = run(stack, payload_for(project_id, *SERVICES))
    world = look(stack, project_id)
    return Failed(stage, attempts(), ran, world, problems_after_last_look(stack, project_id))


def test_a_stage_is_tried_three_times(failed: Failed) -> None:
    assert (failed.attempts, failed.ran.waits) == (3, [300.0, 300.0])


def test_the_execution_ends_with_the_name_of_the_error(failed: Failed) -> None:
    assert (failed.ran.status, failed.ran.error) == ("FAILED", failed.stage.error.__name__)


def test_nothing_is_left_of_a_failed_project_and_nothing_comes_back(failed: Failed) -> None:
    assert failed.problems == []


def test_the_cause_is_one_line_that_says_where_what_what_was_undone_and_what_is_next(failed: Failed) -> None:
    cause, stage = failed.ran.cause, failed.stage.stage
    assert cause.isprintable()
    if stage == "initializing":
        said = f"failed: initializing failed: {MESSAGE}. Next: once that is corrected, provision create p-"
        assert cause.startswith(said)
        return
    assert cause.startswith(f"rolled_back: {stage} failed on attempt 3: {MESSAGE}. Rolled back: ")
    left, following = cause.split(" Next: ")
    assert re.search(r"\. Nothing is left; the last look at its secret is due at [0-9-]{10}T[0-9:]{8}Z\.$", left)
    assert following == f"once that is corrected, provision retry {failed.ran.job_id}."
    assert sorted(re.findall(r"\w+ registration|API key (?=[0-9a-f-]{36}\b)", cause)) == _removed_before(stage)


def test_the_job_keeps_the_error(failed: Failed) -> None:
    (job,) = failed.world.jobs
    status = "failed" if failed.stage.stage == "initializing" else "rolled_back"
    assert (job["status"], job["current_stage"]) == (status, status)
    error_type = str(failed.stage.error.error_type)
    assert (job["last_error_type"], job["last_error_message"]) == (error_type, MESSAGE)


def test_the_ledger_keeps_the_error_of_the_last_attempt(failed: Failed) -> None:
    (steps,) = failed.world.steps.values()
    names = ("stage", "attempt", "error_type", "error_message", "error_details")
    error = failed.stage.error
    details = {"error": error.__name__, "transient": True}
    expected = [(failed.stage.stage, 3, str(error.error_type), MESSAGE, details)]
    kept = [tuple(step[name] for name in names) for step in steps if step["error_type"]]
    assert kept == ([] if failed.stage.stage == "initializing" else expected)


def _removed_before(stage: str) -> list[str]:
    """What the compensations report as removed: the work of the stages before this one, and of a registration's
    siblings.
    """
    if stage in ("creating_database", "creating_schema"):
        return []
    registered = [f"{service} registration" for service in SERVICES if stage != f"registering_{service}"]
    keys = ["API key "] * 2 if stage == "finalizing" else []
    return sorted([*keys, *registered])
