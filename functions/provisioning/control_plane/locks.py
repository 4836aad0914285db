"""While an attempt runs, it holds its stage by a session-level advisory lock of the control plane.

Two attempts never act at once. An attempt never reconnects: if it loses its session it has lost its lock, and must
stop.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from provisioning.control_plane.connection import QUERIES, ControlPlane, kept_or_new
from provisioning.errors import ControlPlaneUnavailable
from provisioning.queries import Query


class Held(NamedTuple):
    """Whether the session holds all locks that it requested."""

    held: bool


Found = TypeVar("Found", bound=tuple[object, ...])


def take(
    keys: Sequence[str], seconds: float, record: type[Found], *sent: Query, **parameters: object
) -> tuple[ControlPlane, Found | None]:
    """Acquire the locks for that many seconds and send the queries, which read whether they are held, in one round
    trip.

    The session of a holder past its deadline is ended. The record has a field `held`. Raise ControlPlaneUnavailable.
    """
    # Locks that the session still holds belong to an ended attempt: an environment handles one event at a time.
    message = (QUERIES["release_locks"], QUERIES["lock_keys"], *sent)
    parameters |= {"keys": list(keys), "seconds": seconds}
    control, found = kept_or_new(lambda control: control.fetch_one(record, *message, **parameters))
    if found is not None and not getattr(found, "held", False):
        control.execute(QUERIES["end_sessions_of_overdue_holders"], keys=list(keys))
        found = control.fetch_one(record, *message, **parameters)
    return control, found


def lock(keys: Sequence[str], seconds: float) -> ControlPlane | None:
    """Acquire these locks for that many seconds, ending the session of a holder past its deadline.

    Return None while a holder is within its time. The locks are held as long as the session lives.
    """
    control, found = take(keys, seconds, Held, QUERIES["find_held"])
    if found is None or not found.held:
        release(control)
        return None
    return control


def release(control: ControlPlane) -> None:
    """Release every lock of this session; a lost session holds none."""
    if not control.connection.closed:
        try:
            control.execute(QUERIES["release_locks"])
        except ControlPlaneUnavailable:
            control.connection.close()
