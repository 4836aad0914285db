"""While an attempt runs, it holds its stage by a session-level advisory lock of the control plane.

Two attempts never act at once. An attempt never reconnects: if it loses its session it has lost its lock, and must
stop.

A session-level lock survives a rollback. So a session commits its attempt's deadline before it acquires a lock, and a
session whose message failed is closed. Whoever holds one of our locks past its deadline, or without one, is overdue,
and its session is ended. Only our own sessions are: those of this role whose application_name is "provisioner", with
or without a deadline. An operator who holds one of our locks in psql keeps it, and attempts are refused until then.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from provisioning.control_plane.connection import BEGIN, COMMIT, QUERIES, ControlPlane, close_kept, kept_or_new
from provisioning.errors import ProvisioningError
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

    The session of an overdue holder is ended. The record has a field `held`. If this raises, this environment's session
    is closed, so that it holds none of the locks. Raise ControlPlaneUnavailable.
    """
    # Three transactions: the deadline, the locks, the queries. Locks that the session still holds belong to an ended
    # attempt, because an environment handles one event at a time.
    deadline = (BEGIN, QUERIES["record_deadline"], COMMIT)
    message = (QUERIES["release_locks"], *deadline, BEGIN, QUERIES["lock_keys"], COMMIT, *sent)
    parameters |= {"keys": list(keys), "seconds": seconds}
    try:
        control, found = kept_or_new(lambda control: control.fetch_one(record, *message, **parameters))
        if found is not None and not getattr(found, "held", False):
            control.execute(QUERIES["end_sessions_of_overdue_holders"], keys=list(keys))
            found = control.fetch_one(record, *message, **parameters)
    except BaseException:
        close_kept()
        raise
    return control, found


def lock(keys: Sequence[str], seconds: float) -> ControlPlane | None:
    """Acquire these locks for that many seconds, ending the session of an overdue holder.

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
        except ProvisioningError:
            control.connection.close()
