"""What the event bus refuses: an event holds up no other, and what it may take later is sent again."""

import pytest

from local.stack import Stack
from provisioning.aws.event_bus import EventBusUnavailable
from provisioning.errors import InsufficientPermissions, Misconfigured
from tests.stages.jobs import execute
from tests.upkeep.delivering import deliver, ids, make, make_due, received, waiting
from tests.upkeep.event_bus import Queue, refusing_entries, refusing_requests


def test_an_event_that_the_bus_never_takes_holds_up_no_other(stack: Stack, project_id: str, queue: Queue) -> None:
    """moto refuses an entry without a type by itself, as EventBridge does."""
    make(stack, project_id, 1, event_type="")
    make(stack, project_id, 12)
    done = deliver()
    assert (done["delivered"], list(done["refused"].values())) == (12, ["InvalidArgument"])
    assert received(queue) == ids(project_id)[1:]
    make(stack, project_id, 1)
    assert deliver() == {"delivered": 1, "refused": {}, "busy": False}, "it is not sent again at once"
    make_due(stack)
    assert list(deliver()["refused"].values()) == ["InvalidArgument"]
    ((refusals, refusal),) = execute(
        stack, "control_plane", "SELECT refusals, refusal FROM control_plane.events WHERE delivered_at IS NULL"
    )
    assert (refusals, refusal) == (2, "InvalidArgument")


def test_a_request_that_is_refused_for_one_event_is_sent_event_by_event(
    stack: Stack, project_id: str, queue: Queue
) -> None:
    make(stack, project_id, 3)
    make(stack, project_id, 1, event_type="poisoned")
    make(stack, project_id, 3)
    with refusing_requests("ValidationException", lambda entry: bool(entry["DetailType"] == "poisoned")):
        done = deliver()
    assert (done["delivered"], list(done["refused"].values())) == (6, ["ValidationException"])
    whole = ids(project_id)
    assert received(queue) == whole[:3] + whole[4:]


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure"])
def test_an_entry_that_the_bus_may_take_later_is_sent_again(
    stack: Stack, project_id: str, queue: Queue, code: str
) -> None:
    make(stack, project_id, 2)
    make(stack, project_id, 1, event_type="late")
    with (
        refusing_entries(code, lambda entry: bool(entry["DetailType"] == "late")),
        pytest.raises(EventBusUnavailable, match=code),
    ):
        deliver()
    assert waiting(stack, project_id) == 1
    assert deliver()["delivered"] == 1
    assert received(queue) == ids(project_id)


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("ThrottlingException", EventBusUnavailable),
        ("InternalException", EventBusUnavailable),
        ("AccessDeniedException", InsufficientPermissions),
        ("ResourceNotFoundException", Misconfigured),
    ],
)
def test_what_is_wrong_with_the_bus_is_no_refusal_of_an_event(
    stack: Stack, project_id: str, queue: Queue, code: str, raised: type[Exception]
) -> None:
    make(stack, project_id, 2)
    with refusing_requests(code), pytest.raises(raised, match="laptop"):
        deliver()
    assert deliver()["delivered"] == 2
    assert received(queue) == ids(project_id)
