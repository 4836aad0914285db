"""Repair what processes that died have left in the roles of a cluster.

A stage joins a tenant's roles while it changes them. If it dies before it leaves them, its next attempt does not leave
them either where the admin acts itself: it finds that it may act already. That admin would keep the tenant's
privileges. A creator whose tenants' roles somebody else has dropped would count them forever.
"""

from typing import NamedTuple

from provisioning import queries
from provisioning.cluster import acting
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import Actor
from provisioning.cluster.creators import TENANT_ROLE
from provisioning.control_plane import Cluster

QUERIES = queries.load(__file__)


class _Left(NamedTuple):
    memberships: list[list[str]]
    """Tenant, role, member."""
    is_miscounted: bool


class _Lock(NamedTuple):
    held: bool


def repair(cluster: Cluster) -> list[str]:
    """End the memberships that are left and correct the creators' counts; return what was repaired.

    A tenant whose lock somebody holds is left to the holder. One round trip if there is nothing to repair. Raise
    psycopg2.Error.
    """
    session, (left,) = sessions.on(
        cluster, lambda session: sessions.fetch(session, _Left, QUERIES["find_left"], tenant_role=TENANT_ROLE)
    )
    repaired: list[str] = []
    try:
        for tenant_id, role, member in left.memberships:
            (lock,) = sessions.fetch(session, _Lock, sessions.QUERIES["lock_tenant"], tenant_id=tenant_id)
            if lock.held:
                acting.send(session, acting.leaving(Actor(role, administrator=member)))
                repaired.append(f"membership of {member} in {role}")
                sessions.release(session)
        if left.is_miscounted:
            sessions.send(session, QUERIES["lock_creators"], QUERIES["record_counts"], tenant_role=TENANT_ROLE)
            repaired.append("counts of creators")
    except BaseException:
        # The session may still be acting as a creator.
        session.close()
        raise
    return repaired
