"""provision doctor says which events the bus refuses, whether others wait for too long, and whether there is a bus."""

import uuid
from collections.abc import Iterator

import pytest

from cli import doctor
from cli.findings import Finding
from local.stack import Stack
from tests.executions.running import execute
from tests.upkeep.delivering import deliver, make
from tests.upkeep.event_bus import refusing_requests

DONE = "UPDATE control_plane.events SET delivered_at = now() WHERE delivered_at IS NULL"


@pytest.fixture(autouse=True)
def nothing_waits(stack: Stack) -> Iterator[None]:
    """No event of another test."""
    execute(stack, DONE, "control_plane")
    yield
    execute(stack, DONE, "control_plane")


def wrong() -> dict[str, Finding]:
    """The facts about the control plane to correct, by subject."""
    return {one.subject: one for one in doctor.examine_control_plane() if one.remedy}


def age(stack: Stack, minutes: int) -> None:
    older = "UPDATE control_plane.events SET recorded_at = now() - interval '{} minutes' WHERE delivered_at IS NULL"
    execute(stack, older.format(minutes), "control_plane")


def test_an_event_that_the_bus_refuses_is_named_until_it_is_given_up(stack: Stack, project_id: str) -> None:
    make(stack, project_id, 1, event_type="")
    assert "events" not in wrong()
    deliver()
    found = wrong()["events"]
    ((event_id,),) = execute(stack, "SELECT id FROM control_plane.events WHERE refusal IS NOT NULL", "control_plane")
    assert found.fact.startswith(f"the event bus refuses the event {event_id}, without a type of {project_id}, of 20")
    assert found.fact.endswith(" UTC: InvalidArgument")
    execute(stack, found.remedy.rpartition("database: ")[2], "control_plane")
    assert "events" not in wrong()
    assert deliver()["delivered"] == 0


def test_events_that_wait_for_too_long_are_counted_in_a_deployment(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(stack, project_id, 2)
    age(stack, 7)
    assert "events" not in wrong(), "a laptop stack has no schedule"
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "false")
    found = wrong()["events"]
    assert found.fact == "2 wait for the event bus, the oldest for 7 minutes"
    assert "DeliverEventsFunction" in found.remedy
    age(stack, 4)
    assert "events" not in wrong()


def test_a_bus_that_does_not_exist_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"bus-{uuid.uuid4().hex}"
    monkeypatch.setenv("EVENT_BUS_NAME", name)
    assert wrong()["events"].fact == f"there is no event bus {name}"


def test_events_that_were_not_refused_themselves_are_not_named(stack: Stack, project_id: str) -> None:
    """A bus that takes nothing at all is no fault of theirs."""
    make(stack, project_id, 1)
    with refusing_requests("AccessDeniedException"), pytest.raises(Exception, match="denied access to the event bus"):
        deliver()
    assert "events" not in wrong()
