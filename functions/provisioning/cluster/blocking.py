"""Send the admin's statements, and end the transactions whose locks block them.

A tenant can lock shared objects, its own and others', by naming them in a transaction that it leaves open. Ending its
session loses nothing that was committed.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN
from provisioning.control_plane import Cluster

QUERIES = queries.load(__file__)
LOCK_TIMEOUT = sql.SQL("SET LOCAL lock_timeout = '500ms';")
"""How long a change waits for a lock that an open transaction holds, while its blockers are found and ended."""

IN_THE_WAY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.InternalError_)
"""A lock that is held, a deadlock, and a row of a catalog that two change at once."""

PAUSE_SECONDS = 0.05
LOGIN_OF_A_TENANT = re.compile("tenant_[a-z]{20}_login")
ROLE_OF_A_TENANT = re.compile("tenant_([a-z]{20})_(?:owner|login)")


class Prepared(NamedTuple):
    """A prepared transaction."""

    gid: str
    owner: str
    database: str


class _Blocker(NamedTuple):
    pid: int | None
    """None for a prepared transaction."""
    transaction: str | None
    """The session's virtual transaction id, which no later one has."""
    gid: str | None
    role: str
    database: str


class _Lock(NamedTuple):
    held: bool


class Admin(NamedTuple):
    """The admin at work on a tenant whose roles it, or its creator, has joined."""

    cluster: Cluster
    session: Connection
    own_roles: Sequence[str]
    becoming: sql.Composable
    """The statement that makes the member of those roles the current user."""
    may_end: Callable[[str], bool]
    """Whether a session of this role may be ended if it is in the way."""
    roll_back: "Callable[[Admin, Sequence[Prepared]], None] | None" = None
    """Rolls back prepared transactions that are in the way."""
    holds: frozenset[str] = frozenset()
    """The other tenants whose locks it holds."""

    @contextmanager
    def holding(self, roles: Sequence[str]) -> Iterator[tuple["Admin", list[str]]]:
        """Hold the locks of the other tenants of these roles, and yield the admin that does, and whom it may act as.

        A role's creator joins it to act as it, and leaves it again. A job of that tenant does this with the same
        membership, and would lose it in between. So a role is omitted while somebody else holds its tenant's lock.
        Raise psycopg2.Error.
        """
        taken, may_be_joined = set[str](), list[str]()
        for role in roles:
            of_a_tenant = None if role in self.own_roles else ROLE_OF_A_TENANT.fullmatch(role)
            if of_a_tenant is not None and of_a_tenant[1] not in self.holds | taken:
                asked = QUERIES["lock_other_tenant"]
                (lock,) = sessions.fetch(self.session, _Lock, asked, tenant_id=of_a_tenant[1])
                if not lock.held:
                    continue
                taken.add(of_a_tenant[1])
            may_be_joined.append(role)
        try:
            yield self._replace(holds=self.holds | taken), may_be_joined
        finally:
            for tenant_id in taken if not self.session.closed else ():
                sessions.send(self.session, QUERIES["unlock_other_tenant"], tenant_id=tenant_id)

    @contextmanager
    def acting_as(self, role: str) -> Iterator["Admin | None"]:
        """Yield the admin that may act as another tenant's role, and holds that tenant's lock for it.

        None, if somebody else holds the lock, or nobody here may grant the role. Raise psycopg2.Error.
        """
        with self.holding([role]) as (holder, may_be_joined), acting.joined(self.session, may_be_joined) as actors:
            yield holder._replace(becoming=actors[role].becoming) if role in actors else None

    def send(self, message: sql.Composable, over: Connection | None = None) -> bool:
        """Send a message, over another session of the admin's if one is given; return False while a lock blocks it.

        Like attempt(). Raise psycopg2.Error.
        """
        return self.attempt(lambda session: acting.send(session, message), over)

    def attempt(self, act: Callable[[Connection], object], over: Connection | None = None) -> bool:
        """Do what sends one message over a session; return False while a lock blocks it.

        It is done twice: while the second waits, the blockers that stopped the first are ended. The session's
        lock_timeout bounds both. Raise psycopg2.Error.
        """
        session = over or self.session
        if _done(session, act):
            return True
        from concurrent.futures import ThreadPoolExecutor

        pid = session.info.backend_pid
        with closing(sessions.connect(self.cluster)) as other, ThreadPoolExecutor(1) as waiting:
            done = waiting.submit(_done, session, act)
            while not done.done():
                self._replace(session=other).end_blockers(pid)
                time.sleep(PAUSE_SECONDS)
            return done.result()

    def end_as(self, role: str, ended: sql.Composable) -> None:
        """Send what ends sessions of a role, as that role.

        While a job of its tenant is at work, only that job's membership lets its creator end them. Raise
        psycopg2.Error.
        """
        if role in self.own_roles:
            acting.send(self.session, sql.Composed([self.becoming, ended, ADMIN_AGAIN]))
            return
        with self.holding([role]) as (_, may_be_joined):
            for actor in acting.find(self.session, [role]).values():
                if may_be_joined:
                    acting.send(self.session, acting.within(actor, ended))
                    continue
                with suppress(errors.InsufficientPrivilege):
                    acting.send(self.session, sql.Composed([actor.becoming, ended, ADMIN_AGAIN]))

    def end_blockers(self, pid: int) -> None:
        """End, over this session, what holds the lock that the session with that pid waits for.

        A session that only waits for it, too, stays. Raise psycopg2.Error.
        """
        found = sessions.fetch(self.session, _Blocker, QUERIES["find_blockers"], pid=pid)
        for one in found:
            if one.pid is not None and self.may_end(one.role):
                ended = QUERIES["end_sessions_of_blocker"]
                values = {"pid": one.pid, "role": one.role, "transaction": one.transaction}
                self.end_as(one.role, postgres.composed(ended, **values))
        left = [Prepared(one.gid, one.role, one.database) for one in found if one.gid is not None]
        if left and self.roll_back is not None:
            self.roll_back(self._replace(roll_back=None), left)


def is_login_of_a_tenant(role: str) -> bool:
    """Return whether the role is the login of a tenant, of any control plane."""
    return LOGIN_OF_A_TENANT.fullmatch(role) is not None


def _done(session: Connection, act: Callable[[Connection], object]) -> bool:
    try:
        act(session)
    except psycopg2.Error as error:
        if not isinstance(error, IN_THE_WAY):
            raise
        return False
    return True
