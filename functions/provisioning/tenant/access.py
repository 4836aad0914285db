"""Close the access to a tenant's database, and restore it as it was. A closed tenant keeps its data.

A tenant is closed when nobody is connected and nobody can connect. Its logins are closed first. Sessions that were let
in before are ended, and cannot return, because CONNECT is revoked. What the owner grants in between is revoked with the
rest. Both directions are idempotent, and neither needs a healthy tenant.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from provisioning.control_plane import ControlPlane
from provisioning.errors import JobClosed, ResumptionFailed, SuspensionFailed
from provisioning.identity import Tenant
from provisioning.tenant import emptying, gate, restoring, suspensions
from provisioning.tenant.gate import Entered
from provisioning.tenant.suspensions import Suspension, WayIn

LOOKS = 2
"""How many consecutive looks have to find nobody."""

PAUSE_SECONDS = 0.02


class Ended(NamedTuple):
    """What closing a tenant has ended."""

    sessions: int = 0
    prepared_transactions: int = 0
    slots: int = 0

    def with_more(self, before: Entered, after: Entered) -> "Ended":
        """Return these counts plus what one look found and the next did not."""
        gone = (max(0, getattr(before, name) - getattr(after, name)) for name in self._fields)
        return Ended(*(count + more for count, more in zip(self, gone, strict=True)))


def close(control: ControlPlane, tenant: Tenant, job_id: str, check: Callable[[], None], ends_at: float) -> Ended:
    """Close a live tenant for a job, by that monotonic time, and return what was ended.

    Raise SuspensionFailed, naming what is left, if the tenant is not empty by then, and what gate.held raises.
    """

    def intend(logins: list[str], way_in: WayIn) -> Suspension:
        return suspensions.record_closing(control, tenant.tenant_id, job_id, logins, way_in)

    with gate.held(control, tenant, job_id, check, intend) as held:
        is_kept, let_in = held.kept.way_in is not None, set[str]()
        ended, looks, before = Ended(), 0, held.look()
        while True:
            is_closed, is_revoked, way_in = held.close_logins(), True, held.find_way_in()
            let_in |= {name for name in way_in.let_in(held.session.info.user) if name is not None}
            entering = emptying.empty(held, sorted(let_in))
            # An owner's grants are recorded only once it cannot change them any more.
            if is_closed and (is_kept or not (before.of_its_login or entering)):
                if not is_kept:
                    suspensions.record_grants(control, tenant.tenant_id, job_id, way_in)
                    is_kept = True
                is_revoked = held.revoke_connect(way_in)
            after = held.look()
            ended, before = ended.with_more(before, after), after
            looks = 0 if after.left or entering else looks + 1
            if looks == LOOKS:
                return ended
            if looks == 0 and time.monotonic() > ends_at:
                locked = "" if is_closed and is_revoked else ", and a lock blocks closing it"
                raise SuspensionFailed(f"left in the tenant: {after.left or f'{entering} logins in progress'}{locked}")
            time.sleep(PAUSE_SECONDS)


def open_again(control: ControlPlane, tenant: Tenant, job_id: str, check: Callable[[], None]) -> int:
    """Restore a tenant's privileges and logins for a job, in one transaction; idempotent.

    Return how many of its logins can log in again. Raise ResumptionFailed if the control plane has no record of them,
    and what gate.held raises.
    """

    def intend(_logins: list[str], _way_in: WayIn) -> Suspension:
        kept = suspensions.record_opening(control, tenant.tenant_id, job_id)
        if kept is None:
            raise ResumptionFailed("the control plane has no record of the tenant's access before its suspension")
        if kept.job_id != job_id:
            raise JobClosed("a later job holds the tenant")
        return kept

    with gate.held(control, tenant, job_id, check, intend) as held:
        if not held.is_open():
            restoring.restore(held)
        suspensions.record_restored(control, tenant.tenant_id, job_id)
        return len(held.kept.logins)
