"""Executions in which a stage crashes, is never reached, loses its answer or fails permanently leave nothing."""

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
from tests.executions.running import SERVICES, Ran, payload_for, run
from tests.executions.stage_faults import MESSAGE, STAGES, Fault, FaultyStage, failing
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned

pytestmark = pytest.mark.slow
EVERY_STAGE = pytest.mark.parametrize("stage", STAGES)


def after_the_outcome(ran: Ran) -> str:
    return ran.cause.partition(": ")[2]


@EVERY_STAGE
def test_a_stage_that_crashes_three_times_is_rolled_back(stack: Stack, project_id: str, stage: str) -> None:
    with failing(stack, STAGES[stage], Fault.CRASH) as attempts:
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error, attempts(), ran.waits) == ("FAILED", "StageCrashed", 3, [300.0, 300.0])
    assert after_the_outcome(ran).startswith(f"{stage} failed")
    assert ": its Lambda ended with Runtime.ExitError. " in ran.cause
    assert problems_after_last_look(stack, project_id) == []


@EVERY_STAGE
def test_a_lambda_that_never_reaches_its_handler_is_named_and_rolled_back(
    stack: Stack, project_id: str, stage: str
) -> None:
    with failing(stack, STAGES[stage], Fault.UNREACHED):
        ran = run(stack, payload_for(project_id, *SERVICES))
    where = f"{stage} failed" if stage == "initializing" else f"{stage} failed before its first attempt"
    assert (ran.status, ran.error) == ("FAILED", "StageCrashed")
    assert after_the_outcome(ran).startswith(f"{where}: its Lambda ended with Runtime.ImportModuleError. ")
    assert problems_after_last_look(stack, project_id) == []


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "finalizing"])
def test_a_stage_whose_answer_is_lost_three_times_is_rolled_back(stack: Stack, project_id: str, stage: str) -> None:
    with failing(stack, STAGES[stage], Fault.ANSWER_LOST):
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error) == ("FAILED", "StageCrashed")
    assert after_the_outcome(ran).startswith(f"{stage} failed on attempt 1: its Lambda ended with Lambda.Unknown. ")
    assert problems_after_last_look(stack, project_id) == []


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
    assert after_the_outcome(ran).startswith(f"{stage} failed on attempt 1: {MESSAGE}. ")
    assert problems_after_last_look(stack, project_id) == []


@pytest.mark.parametrize("stage", ["initializing", "creating_database", "finalizing"])
def test_a_failed_project_can_be_provisioned_again(stack: Stack, project_id: str, stage: str) -> None:
    payload = payload_for(project_id, *SERVICES)
    with failing(stack, STAGES[stage], Fault.ERROR):
        assert run(stack, payload).status == "FAILED"
    assert run(stack, payload).status == "SUCCEEDED"
    world = look(stack, project_id)
    assert problems_of_provisioned(world, payload) == []
    statuses = [job["status"] for job in world.jobs]
    assert statuses == ["failed" if stage == "initializing" else "rolled_back", "succeeded"]
