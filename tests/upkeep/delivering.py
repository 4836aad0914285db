"""Events that wait for the event bus, and their delivery by the handler of upkeep."""

from local.stack import Stack
from provisioning import control_plane
from provisioning.events import RecordedEvent, events_after
from provisioning.ledger.runner import Output
from tests.stages.jobs import Context, execute
from tests.upkeep.event_bus import Queue
from upkeep.deliver_events import deliver_events

MAKE = """
    INSERT INTO control_plane.events (type, project_id, error_type)
    SELECT %s, %s, %s FROM generate_series(1, %s)
"""


def deliver() -> Output:
    return deliver_events({}, Context())


def make(stack: Stack, project_id: str, number: int, *, event_type: str = "job.failed", text: str = "TIMEOUT") -> None:
    execute(stack, "control_plane", MAKE, event_type, project_id, text, number)


def recorded(project_id: str) -> list[RecordedEvent]:
    """A project's events, in order."""
    found = events_after(control_plane.connect(), 0, 1_000_000)
    return [event for event in found if event.project_id == project_id]


def ids(project_id: str) -> list[str]:
    return [event.event_id for event in recorded(project_id)]


def received(queue: Queue) -> list[str]:
    return [event["detail"]["event_id"] for event in queue.received()]


def waiting(stack: Stack, project_id: str) -> int:
    count = "SELECT count(*) FROM control_plane.events WHERE project_id = %s AND delivered_at IS NULL"
    ((found,),) = execute(stack, "control_plane", count, project_id)
    return int(found)


def make_due(stack: Stack) -> None:
    execute(stack, "control_plane", "UPDATE control_plane.events SET send_after = now() WHERE delivered_at IS NULL")
