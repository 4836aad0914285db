"""Close the databases again that processes that died, or that met a lock, have left open to the admin."""

from psycopg2 import sql

from provisioning import postgres
from provisioning.cluster import blocking, entering, prepared
from provisioning.cluster import session as sessions
from provisioning.cluster.blocking import Admin
from provisioning.control_plane import Cluster


def close(cluster: Cluster) -> list[str]:
    """Put back what was changed to enter databases of a cluster, and return which ones were closed.

    A database whose tenant's lock somebody holds is left to the holder. One round trip if none is open. Raise
    psycopg2.Error, and Busy at the end if a lock keeps a database open, or if the admin may not act as its owner.
    """
    session, left = sessions.on(cluster, entering.find_opened)
    admin = Admin(cluster, session, (), sql.SQL(""), blocking.is_login_of_a_tenant, prepared.roll_back)
    closed, kept = list[str](), list[str]()
    try:
        for one in left:
            if one.owner is None:
                entering.close_again(admin, one.database)
                continue
            with admin.holding([one.owner]) as (holder, is_ours):
                if not is_ours:
                    continue
                with holder.acting_as(one.owner) as actor:
                    is_closed = actor is not None and entering.close_again(actor, one.database)
            (closed if is_closed else kept).append(one.database)
    except BaseException:
        # The session may still be acting as a creator.
        session.close()
        raise
    if kept:
        raise postgres.Busy(f"still open to the admin: {', '.join(kept)}")
    return [f"access to {database}" for database in closed]
