"""Executions in which a stage fails, and then succeeds within its three attempts."""

import pytest

from local.stack import Stack
from tests.executions.running import SERVICES, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.worlds import look, problems_of_provisioned

pytestmark = pytest.mark.slow

EVERY_STAGE = pytest.mark.parametrize("stage", STAGES)


@EVERY_STAGE
@pytest.mark.parametrize("times", [1, 2])
def test_a_stage_that_fails_at_first_is_tried_again_300_seconds_later(
    stack: Stack, project_id: str, stage: str, times: int
) -> None:
    payload = payload_for(project_id, *SERVICES)
    with failing(stack, STAGES[stage], Fault.ERROR, times) as attempts:
        ran = run(stack, payload)
    assert (ran.status, ran.waits, attempts()) == ("SUCCEEDED", [300.0] * times, times + 1)
    assert stack.clock.seconds(execution=ran.job_id, state=STAGES[stage].state) == ran.waits
    world = look(stack, project_id)
    assert problems_of_provisioned(world, payload) == []
    if stage != "initializing":
        assert ran.output["metadata"]["attempts"] == times + 1
        tried_again = {step["stage"]: step["attempt"] for step in world.steps[ran.job_id] if step["attempt"] > 1}
        assert tried_again == {stage: times + 1}


@EVERY_STAGE
@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.UNREACHED, Fault.ANSWER_LOST], ids=lambda fault: fault.name)
def test_an_attempt_that_told_nobody_how_it_went_is_made_again(
    stack: Stack, project_id: str, stage: str, fault: Fault
) -> None:
    payload = payload_for(project_id, *SERVICES, api_keys={"count": 3})
    with failing(stack, STAGES[stage], fault, 1):
        ran = run(stack, payload)
    assert (ran.status, ran.waits) == ("SUCCEEDED", [300.0])
    assert problems_of_provisioned(look(stack, project_id), payload) == []


def test_every_stage_has_three_attempts_of_its_own(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id, "storage")
    stages = ("creating_database", "registering_storage", "finalizing")
    with (
        failing(stack, STAGES[stages[0]], Fault.ERROR, 2),
        failing(stack, STAGES[stages[1]], Fault.CRASH, 2),
        failing(stack, STAGES[stages[2]], Fault.ANSWER_LOST, 2),
    ):
        ran = run(stack, payload)
    assert (ran.status, ran.waits) == ("SUCCEEDED", [300.0] * 6)
    assert problems_of_provisioned(look(stack, project_id), payload) == []
