"""State transitions are nearly all of a provision's price on AWS: their number is counted, and does not grow unseen."""

from local.stack import Stack
from tests.executions.running import SERVICES, entered, history, payload_for

TRANSITIONS = 15
"""The states that are entered, the branches' among them. A retry would count once more."""


def test_a_provision_with_all_services_makes_no_more_transitions_than_this(stack: Stack, project_id: str) -> None:
    described = stack.run(payload_for(project_id, *SERVICES))
    assert described["status"] == "SUCCEEDED"
    assert len(entered(history(stack, described["executionArn"]))) == TRANSITIONS
