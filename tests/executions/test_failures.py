"""Executions in which a stage fails for good: nothing is left, and the cause says what happened."""

import re

import pytest

from local.stack import Stack
from provisioning.errors import (
    InsufficientPermissions,
    JobClosed,
    Misconfigured,
    ProvisioningError,
    ResourceConflict,
    ServiceRejectedRegistration,
    StatementRejected,
)
from tests.executions.running import SERVICES, payload_for, run
from tests.executions.stage_faults import MESSAGE, STAGES, Fault, FaultyStage, failing
from tests.executions.worlds import World, look, problems_of_provisioned, problems_of_rolled_back

EVERY_STAGE = pytest.mark.parametrize("stage", STAGES)
OPENED = [stage for stage in STAGES if stage != "initializing"]


@EVERY_STAGE
def test_a_stage_that_fails_three_times_is_rolled_back(stack: Stack, project_id: str, stage: str) -> None:
    with failing(stack, STAGES[stage], Fault.ERROR) as attempts:
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error, attempts()) == ("FAILED", STAGES[stage].error.__name__, 3)
    assert ran.waits == [300.0, 300.0]
    assert problems_of_rolled_back(look(stack, project_id)) == []


@pytest.mark.parametrize("stage", OPENED)
def test_the_cause_is_one_line_that_says_where_what_and_what_was_undone(
    stack: Stack, project_id: str, stage: str
) -> None:
    with failing(stack, STAGES[stage], Fault.ERROR):
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert ran.cause.startswith(f"{stage} failed on attempt 3: {MESSAGE}. Rolled back: ")
    assert ran.cause.endswith(" Nothing is left.")
    assert ran.cause.isprintable()
    assert re.findall(r"\w+ registration|API key (?=[0-9a-f-]{36}\b)", ran.cause) == _removed_before(stage)


def test_the_cause_of_a_project_that_was_not_taken_up_says_so(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["initializing"], Fault.ERROR):
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert ran.cause == (f"the project was not taken up: {MESSAGE}. Nothing had to be rolled back. Nothing is left.")
    assert [job["status"] for job in look(stack, project_id).jobs] == ["failed"]


@pytest.mark.parametrize("stage", OPENED)
def test_the_job_and_the_ledger_keep_the_error(stack: Stack, project_id: str, stage: str) -> None:
    with failing(stack, STAGES[stage], Fault.ERROR):
        run(stack, payload_for(project_id, *SERVICES))
    world = look(stack, project_id)
    (job,) = world.jobs
    error = (str(STAGES[stage].error.error_type), MESSAGE)
    assert (job["status"], job["last_error_type"], job["last_error_message"]) == ("rolled_back", *error)
    failed = {step["stage"]: step for step in world.steps[job["job_id"]] if step["error_type"]}
    assert [(name, step["attempt"], step["error_type"], step["error_message"]) for name, step in failed.items()] == [
        (stage, 3, *error)
    ]
    assert failed[stage]["error_details"] == {"error": STAGES[stage].error.__name__, "transient": True}


@EVERY_STAGE
def test_a_stage_that_crashes_three_times_is_rolled_back(stack: Stack, project_id: str, stage: str) -> None:
    with failing(stack, STAGES[stage], Fault.CRASH) as attempts:
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error, attempts(), ran.waits) == ("FAILED", "StageCrashed", 3, [300.0, 300.0])
    assert "Runtime.ExitError" in ran.cause
    assert stage in ran.cause or stage == "initializing"
    assert problems_of_rolled_back(look(stack, project_id)) == []


@pytest.mark.parametrize("stage", OPENED)
def test_a_lambda_that_never_reaches_its_handler_is_named_in_the_cause(
    stack: Stack, project_id: str, stage: str
) -> None:
    with failing(stack, STAGES[stage], Fault.UNREACHED):
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert ran.error == "StageCrashed"
    assert problems_of_rolled_back(look(stack, project_id)) == []
    assert stage in ran.cause


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "finalizing"])
def test_a_stage_whose_answer_is_lost_three_times_is_rolled_back(stack: Stack, project_id: str, stage: str) -> None:
    with failing(stack, STAGES[stage], Fault.ANSWER_LOST):
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error) == ("FAILED", "StageCrashed")
    assert problems_of_rolled_back(look(stack, project_id)) == []


def test_a_project_that_is_active_is_not_rolled_back_when_the_last_answer_is_lost(
    stack: Stack, project_id: str
) -> None:
    payload = payload_for(project_id, *SERVICES)
    with failing(stack, STAGES["finalizing"], Fault.ANSWER_LOST):
        ran = run(stack, payload)
    world = look(stack, project_id)
    assert (ran.status, ran.output) == ("SUCCEEDED", world.jobs[0]["result"])
    assert problems_of_provisioned(world, payload) == []


PERMANENT: list[tuple[str, type[ProvisioningError]]] = [
    ("creating_database", ResourceConflict),
    ("creating_database", InsufficientPermissions),
    ("creating_schema", StatementRejected),
    ("registering_auth", ServiceRejectedRegistration),
    ("generating_api_keys", Misconfigured),
    ("finalizing", JobClosed),
]


@pytest.mark.parametrize(("stage", "error"), PERMANENT, ids=lambda value: getattr(value, "__name__", value))
def test_a_permanent_error_is_not_tried_again(
    stack: Stack, project_id: str, stage: str, error: type[ProvisioningError]
) -> None:
    faulty = FaultyStage(**{**vars(STAGES[stage]), "error": error})
    with failing(stack, faulty, Fault.ERROR) as attempts:
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.error, attempts(), ran.waits) == (error.__name__, 1, [])
    assert ran.cause.startswith(f"{stage} failed on attempt 1: {MESSAGE}. ")
    assert problems_of_rolled_back(look(stack, project_id)) == []


@pytest.mark.parametrize("stage", ["initializing", "creating_database", "finalizing"])
def test_a_failed_project_can_be_provisioned_again(stack: Stack, project_id: str, stage: str) -> None:
    payload = payload_for(project_id, *SERVICES)
    with failing(stack, STAGES[stage], Fault.ERROR):
        assert run(stack, payload).status == "FAILED"
    assert run(stack, payload).status == "SUCCEEDED"
    world = look(stack, project_id)
    assert problems_of_provisioned(world, payload) == []
    assert _statuses(world) == ["failed" if stage == "initializing" else "rolled_back", "succeeded"]


def _statuses(world: World) -> list[str]:
    return [job["status"] for job in world.jobs]


def _removed_before(stage: str) -> list[str]:
    """What the compensations name that the stages before this one made, with the siblings of a registration."""
    if stage in ("creating_database", "creating_schema"):
        return []
    registered = [f"{service} registration" for service in SERVICES if stage != f"registering_{service}"]
    keys = ["API key "] * 2 if stage == "finalizing" else []
    return [*keys, *registered]
