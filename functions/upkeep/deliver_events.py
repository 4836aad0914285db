"""Deliver the control plane's events to the event bus: every minute, and when an execution has ended."""

import time
from contextlib import ExitStack

from provisioning import delivery
from provisioning.aws.event_bus import LONGEST_REQUEST_SECONDS
from provisioning.control_plane import ControlPlane, locks
from provisioning.delivery import LOCK, Delivery
from provisioning.handler import handler
from provisioning.ledger.runner import Event, LambdaContext, Output
from provisioning.needs import Need
from provisioning.observability import logger, measure_undelivered

RESERVED_SECONDS = LONGEST_REQUEST_SECONDS + 5
"""For the last request, and the record of its answer."""


@handler(Need.EVENT_BUS)
def deliver_events(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Return {delivered, refused, busy}: how many events the bus has taken, what it refused by id, and
    whether another run is delivering, which this one leaves it to.

    The metric OldestUndeliveredEvent is how long the oldest has waited. Raise ControlPlaneUnavailable,
    EventBusUnavailable, InsufficientPermissions and Misconfigured; the next run continues.
    """
    del event
    seconds = context.get_remaining_time_in_millis() / 1000
    ends_at = time.monotonic() + seconds - RESERVED_SECONDS
    control = locks.lock([LOCK], seconds)
    if control is None:
        return {"delivered": 0, "refused": {}, "busy": True}
    done = Delivery()
    with ExitStack() as at_end:
        at_end.callback(locks.release, control)
        at_end.callback(_measure, control)
        at_end.callback(_report, done)
        delivery.deliver(control, ends_at, done)
    return {"delivered": done.delivered, "refused": done.refused, "busy": False}


def _report(done: Delivery) -> None:
    log = logger()
    (log.warning if done.refused else log.info)("events delivered", delivered=done.delivered, refused=done.refused)


def _measure(control: ControlPlane) -> None:
    measure_undelivered(delivery.undelivered(control).oldest_seconds)
