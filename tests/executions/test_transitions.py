"""What an execution is billed for: every state it enters, and every retry."""

from local.stack import Stack
from tests.executions.running import SERVICES, entered, history, payload_for, run

MOST_TRANSITIONS = 14
"""On the happy path with all services. Standard workflows are billed by them: more is decided, and not by accident."""


def test_the_happy_path_with_all_services_enters_no_more_states_than_it_did(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id, *SERVICES))
    assert ran.status == "SUCCEEDED"
    assert len(entered(history(stack, ran.arn))) == MOST_TRANSITIONS
