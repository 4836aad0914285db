"""Examine the delivery of events: the event bus, the events that it refuses, and those that wait for it."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from psycopg2 import sql

from cli.deployment import client
from cli.findings import Finding, unchecked
from provisioning import delivery, queries
from provisioning.aws import event_bus
from provisioning.control_plane import ControlPlane

QUERIES = queries.load(__file__)
GIVE_UP = sql.SQL("UPDATE control_plane.events SET delivered_at = now() WHERE id = {};")
LATE_SECONDS = 300
"""As UndeliveredEventsAlarm: upkeep delivers every minute."""

AT_MOST = 20
"""Refused events that are named."""


class _Refused(NamedTuple):
    id: int
    type: str
    project_id: str | None
    refusal: str
    recorded_at: datetime


def examine_events(control: ControlPlane, *, on_laptop: bool) -> Iterator[Finding]:
    """Yield whether the bus is there, each event that it refuses, and whether others wait for too long.

    A laptop stack has no schedule: it delivers when an execution ends, so that no event waits there for too long.
    """
    yield from _bus()
    for event in control.fetch_all(_Refused, QUERIES["find_refused_events"], limit=AT_MOST):
        yield Finding(
            "events", f"the event bus refuses the event {_named(event)}: {event.refusal}", _remedy(control, event)
        )
    waiting = control.fetch_one(delivery.Undelivered, QUERIES["find_waiting_events"])
    number, oldest = waiting or delivery.Undelivered(0, 0.0)
    if number and oldest > LATE_SECONDS and not on_laptop:
        yield Finding(
            "events",
            f"{number} wait for the event bus, the oldest for {oldest / 60:.0f} minutes",
            "read the log of DeliverEventsFunction; check its way to EventBridge, and that its schedule is enabled",
        )
    else:
        yield Finding("events", f"{number} wait for the event bus {event_bus.name()}")


def _bus() -> Iterator[Finding]:
    from botocore.exceptions import BotoCoreError, ClientError

    name = event_bus.name()
    try:
        client("events").describe_event_bus(Name=name)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in event_bus.MISSING:
            remedy = "make it, or deploy with an EventBusName that exists; events wait until then"
            yield Finding("events", f"there is no event bus {name}", remedy)
        else:
            yield unchecked("events", f"the event bus {name} could not be looked up ({code})")
    except BotoCoreError as error:
        yield unchecked("events", f"the event bus {name} could not be looked up ({type(error).__name__})")


def _named(event: _Refused) -> str:
    of = f" of {event.project_id}" if event.project_id is not None else ""
    return f"{event.id}, {event.type or 'without a type'}{of}, of {event.recorded_at:%Y-%m-%d %H:%M} UTC"


def _remedy(control: ControlPlane, event: _Refused) -> str:
    statement = GIVE_UP.format(sql.Literal(event.id)).as_string(control.connection)
    return (
        "look the code up in EventBridge's API reference, PutEventsResultEntry; to give the event up, run this in the"
        f" control plane's database: {statement}"
    )
