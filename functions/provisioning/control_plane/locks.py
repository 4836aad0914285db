"""A stage is locked by a session-level advisory lock of the control plane for as long as its attempt runs.

Two attempts never act at once. An attempt never reconnects: when its session is gone, its lock is gone, and it must not
act any more.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from provisioning.control_plane.connection import QUERIES, ControlPlane, kept_or_new
from provisioning.errors import ControlPlaneUnavailable
from provisioning.queries import Query


class Held(NamedTuple):
    """Whether the session holds all locks that it has asked for."""

    held: bool


Found = TypeVar("Found", bound=tuple[object, ...])


def take(
    keys: Sequence[str], seconds: float, record: type[Found], *sent: Query, **parameters: object
) -> tuple[ControlPlane, Found | None]:
    """Take the locks for so long and send the queries, which find out whether they are held, in the same round trip.

    A holder whose own time is over has its session ended. The record has a field `held`.
    Raises ControlPlaneUnavailable.
    """
    # What the session still holds is an ended attempt's: an environment handles one event at a time.
    message = (QUERIES["release_locks"], QUERIES["lock_keys"], *sent)
    parameters |= {"keys": list(keys), "seconds": seconds}
    control, found = kept_or_new(lambda control: control.fetch_one(record, *message, **parameters))
    if found is not None and not getattr(found, "held", False):
        control.execute(QUERIES["end_sessions_of_overdue_holders"], keys=list(keys))
        found = control.fetch_one(record, *message, **parameters)
    return control, found


def lock(keys: Sequence[str], seconds: float) -> ControlPlane | None:
    """Take these locks for so long, ending the session of a holder whose own time is over.

    Return None when a holder is still within its time. The locks are held for as long as the session lives.
    """
    control, found = take(keys, seconds, Held, QUERIES["find_held"])
    if found is None or not found.held:
        release(control)
        return None
    return control


def release(control: ControlPlane) -> None:
    """Give back every lock of this session; a session that is gone has none."""
    if not control.connection.closed:
        try:
            control.execute(QUERIES["release_locks"])
        except ControlPlaneUnavailable:
            control.connection.close()
