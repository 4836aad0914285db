"""Deliver the events of the control plane to the event bus, each at least once, with its event_id.

They are sent in the order of their ids. An event that the bus refuses is sent again later and holds up no other. A run
that dies between the bus's answer and its record has delivered events that the next run delivers again.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from provisioning import queries
from provisioning.aws import event_bus
from provisioning.aws.event_bus import Answer, Entry, EventBusUnavailable
from provisioning.control_plane import ControlPlane
from provisioning.events import RecordedEvent

QUERIES = queries.load(__file__)
LOCK = "delivery of events"
SOURCE = "provisioner"
"""The source of every event on the bus."""


@dataclass
class Delivery:
    """What a run has done so far: how many events the bus has taken, and the codes of those that it refused, by id."""

    delivered: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Undelivered(NamedTuple):
    """How many events the bus has not taken yet, and how long ago the oldest was recorded."""

    number: int
    oldest_seconds: float


def deliver(control: ControlPlane, ends_at: float, done: Delivery) -> None:
    """Send every event that is due, and put what becomes of them into `done`; begin nothing after that monotonic time.

    Only the holder of LOCK calls it. Raise ControlPlaneUnavailable, EventBusUnavailable at the first event that the bus
    may take later, and InsufficientPermissions or Misconfigured if it takes none.
    """
    while time.monotonic() < ends_at:
        due = control.fetch_all(RecordedEvent, QUERIES["find_due_events"], limit=event_bus.MOST_ENTRIES)
        if not due:
            return
        _send(control, due[: _fitting([entry_of(event) for event in due])], ends_at, done)


def undelivered(control: ControlPlane) -> Undelivered:
    """Return what the bus has not taken yet. Raise ControlPlaneUnavailable."""
    found = control.fetch_one(Undelivered, QUERIES["find_undelivered"])
    return found or Undelivered(0, 0.0)


def entry_of(event: RecordedEvent) -> Entry:
    """Return an event as PutEvents takes it. It names no AWS resources, so Resources is left out."""
    return {
        "Source": SOURCE,
        "DetailType": event.type,
        "Detail": json.dumps(event.as_document(), ensure_ascii=False),
        "Time": event.recorded_at,
    }


def _fitting(entries: Sequence[Entry]) -> int:
    """Return how many of the first entries one request takes, at least one: the bus itself refuses one too large."""
    size = 0
    for number, entry in enumerate(entries):
        size += event_bus.size_of(entry)
        if size >= event_bus.MOST_BYTES:
            return max(1, number)
    return len(entries)


def _send(control: ControlPlane, events: Sequence[RecordedEvent], ends_at: float, done: Delivery) -> None:
    try:
        answers = event_bus.put([entry_of(event) for event in events])
    except event_bus.RequestRefused as refused:
        if len(events) > 1:
            # Any of them may be the one that is not accepted.
            for event in events:
                if time.monotonic() < ends_at:
                    _send(control, [event], ends_at, done)
            return
        answers = [Answer(str(refused))]
    _record(control, dict(zip((event.id for event in events), answers, strict=True)), done)


def _record(control: ControlPlane, answers: dict[int, Answer], done: Delivery) -> None:
    taken = [event_id for event_id, answer in answers.items() if answer.code is None]
    if taken:
        control.execute(QUERIES["record_delivered"], ids=taken)
        done.delivered += len(taken)
    for event_id, answer in answers.items():
        if answer.code is not None and not answer.passes:
            control.execute(QUERIES["record_refused"], ids=[event_id], refusal=answer.code)
            done.refused[str(event_id)] = answer.code
    if waiting := [answer.code for answer in answers.values() if answer.passes]:
        raise EventBusUnavailable(f"EventBridge has not taken {len(waiting)} events ({waiting[0]})")
