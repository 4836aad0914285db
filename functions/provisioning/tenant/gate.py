"""What closes a tenant's database and opens it again, change by change, while the tenant's lock is held."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting, register
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN, Actor
from provisioning.control_plane import ControlPlane
from provisioning.errors import ResourceConflict
from provisioning.identity import Tenant
from provisioning.queries import Query
from provisioning.tenant.making import composed
from provisioning.tenant.suspensions import Grant, Suspension, WayIn

QUERIES = queries.load(__file__)
Intention = Callable[[list[str]], Suspension]
LOCK_TIMEOUT = sql.SQL("SET LOCAL lock_timeout = '500ms';")
"""How long a change waits for a lock that a tenant's open transaction holds: its session is ended before the next."""

TRANSACTION_TIMEOUT_SINCE = 170000
PRIVILEGES = {name: sql.SQL(name) for name in ("CREATE", "CONNECT", "TEMPORARY")}


class Entered(NamedTuple):
    """Who is in a tenant, who is coming in, and by what somebody still could."""

    sessions: int
    entering: int
    prepared_transactions: int
    slots: int
    logins: int
    grants: int

    @property
    def left(self) -> str:
        """What is left, in words; empty when the tenant is closed."""
        return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self._asdict().items() if count)


class _Logins(NamedTuple):
    logins: list[str]


class _Role(NamedTuple):
    role: str


class _Prepared(NamedTuple):
    gid: str
    owner: str


class Gate(NamedTuple):
    """The way into a tenant, held for one change. The admin may act as the tenant's roles meanwhile."""

    session: Connection
    tenant: Tenant
    kept: Suspension
    """What is written down of the way in before it was closed."""
    owner: Actor

    def is_open(self) -> bool:
        """Return whether what is kept is in place: the logins are opened in one transaction with the rest."""
        return bool(self.kept.logins) and set(self.kept.logins) <= set(find_logins(self.session, self.tenant))

    def find_way_in(self) -> WayIn:
        """Return the database's privileges and limits as they are."""
        (found,) = sessions.fetch_composed(self.session, WayIn, self._composed(QUERIES["find_way_in"]))
        return found._replace(grants=[Grant(*grant) for grant in found.grants])

    def look(self) -> Entered:
        """Return who is in, and by what somebody still could come in."""
        return look(self.session, self.tenant)

    def close_logins(self) -> bool:
        """Let nobody log in as the tenant any more; return False while somebody's lock is in the way of that."""
        login = sql.Identifier(self.tenant.names.login_role)
        return self._send(self._composed(QUERIES["close_login"], login=login))

    def revoke_connect(self, way_in: WayIn) -> bool:
        """Let nobody but the admin connect; return False while somebody's lock is in the way of that."""
        admin = self.session.info.user
        may = {grant.grantee for grant in way_in.grants if grant.privilege == "CONNECT" and grant.grantee != admin}
        revoked = [self._composed(QUERIES["revoke_connect"], grantee=_grantee(name)) for name in sorted(may, key=str)]
        return self._send(sql.Composed(revoked)) if revoked else True

    def end_all(self) -> None:
        """End the sessions, and what outlives a session: prepared transactions and replication slots."""
        ended = self._composed(QUERIES["end_sessions_of_tenant"], QUERIES["end_sessions_of_entering"])
        slots = self._composed(QUERIES["drop_idle_slots"])
        strangers = sessions.fetch_composed(self.session, _Role, self._composed(QUERIES["find_strangers"]))
        with acting.joined(self.session, [one.role for one in strangers]) as actors, self.session.cursor() as cursor:
            ended_by = [sql.Composed([who.becoming, ended, ADMIN_AGAIN]) for who in (self.owner, *actors.values())]
            cursor.execute(sql.Composed([*ended_by, ended, slots]))
        prepared = sessions.fetch_composed(
            self.session, _Prepared, self._composed(QUERIES["find_prepared_transactions"])
        )
        if prepared:
            self._roll_back(prepared)

    def restore(self) -> None:
        """Put back what is kept of before, in one transaction: each grant by its grantor, in the order of the ACL."""
        logins = [self._composed(QUERIES["open_login"], login=sql.Identifier(name)) for name in self.kept.logins]
        before = self.kept.way_in
        with acting.joined(self.session, self._others(before.grantors if before is not None else [])) as grantors:
            restored = self._restored(before, {*grantors, *self._own_roles}) if before is not None else []
            with self.session.cursor() as cursor:
                cursor.execute(sql.Composed([self.owner.becoming, *restored, *logins, ADMIN_AGAIN]))

    @property
    def _own_roles(self) -> tuple[str, str]:
        return self.tenant.names.owner_role, self.tenant.names.login_role

    def _others(self, roles: Iterable[str]) -> list[str]:
        """Return those of the roles that are not joined for as long as the gate is held."""
        return sorted(set(roles) - set(self._own_roles))

    def _restored(self, before: WayIn, grantors: set[str]) -> Iterator[sql.Composable]:
        now = self.find_way_in()
        for name in dict.fromkeys(grant.grantee for grant in now.grants):
            yield self._composed(QUERIES["revoke_all"], grantee=_grantee(name))
        named = [grant.grantee for grant in before.grants if grant.grantee is not None]
        existing = {None, *acting.existing(self.session, named)}
        # Whoever was removed meanwhile has no grant to get back, and none that it has made.
        for grant in (grant for grant in before.grants if grant.grantee in existing and grant.grantor in grantors):
            name = "grant_privilege_with_option" if grant.is_grantable else "grant_privilege"
            asked = {"privilege": PRIVILEGES[grant.privilege], "grantee": _grantee(grant.grantee)}
            yield acting.as_role(grant.grantor)
            yield self._composed(QUERIES[name], **asked)
        yield ADMIN_AGAIN
        yield self.owner.becoming
        if now.limits != before.limits:
            yield self._limits(before)

    def _roll_back(self, prepared: Sequence[_Prepared]) -> None:
        """Roll prepared transactions back, each inside the database and as the role that prepared it."""
        if not self.find_way_in().lets_the_admin_in:
            self._send(self._limits(WayIn([], -1, allow_connections=True)))
        with (
            acting.joined(self.session, self._others(one.owner for one in prepared)),
            closing(sessions.connect(self.tenant.cluster, dbname=self.tenant.names.database)) as inside,
            inside.cursor() as cursor,
        ):
            if inside.server_version >= TRANSACTION_TIMEOUT_SINCE:
                cursor.execute(sql.SQL("SET transaction_timeout = 0"))
            for one in prepared:
                try:
                    cursor.execute(acting.as_role(one.owner))
                    cursor.execute(postgres.composed(QUERIES["rollback_prepared"], gid=one.gid))
                except errors.UndefinedObject:
                    # Its own session was faster.
                    continue

    def _limits(self, way_in: WayIn) -> sql.Composed:
        allowed = sql.SQL("true" if way_in.allow_connections else "false")
        limit = sql.Literal(way_in.connection_limit)
        return self._composed(QUERIES["open_limits"], allow_connections=allowed, limit=limit)

    def _send(self, change: sql.Composable) -> bool:
        try:
            with self.session.cursor() as cursor:
                cursor.execute(sql.Composed([LOCK_TIMEOUT, self.owner.becoming, change, ADMIN_AGAIN]))
        except psycopg2.Error as error:
            # A lock that is held, a deadlock, a role that two change at once: ended first, then tried again.
            if isinstance(error, errors.LockNotAvailable) or postgres.is_transient(error):
                return False
            raise
        return True

    def _composed(self, *sent: Query, **values: object) -> sql.Composed:
        return composed(self.tenant.names, *sent, **values)


@contextmanager
def held(
    control: ControlPlane, tenant: Tenant, job_id: str, check: Callable[[], None], intend: Intention
) -> Iterator[Gate]:
    """Hold the way into a live tenant for a job: its lock, its row in the register, and its roles for the admin.

    The check is made once the lock is held, and raises when the attempt is superseded. What is intended is written down
    before anything is changed, so that a compensation finds it: it is told which logins can log in, and returns what is
    kept. Raise ResourceConflict when the register does not have the tenant as live, and psycopg2.Error.
    """
    names = tenant.names
    session, _ = sessions.on(tenant.cluster, lambda session: register.lock(session, names))
    try:
        check()
        kept = intend(find_logins(session, tenant))
        found = register.claim_access(session, names, register.holder_of(control, job_id, tenant.project_id))
        if not found.is_ours:
            raise ResourceConflict(f"the register does not have tenant {tenant.tenant_id} as live")
        with acting.joined(session, [names.owner_role, names.login_role]) as actors:
            yield Gate(session, tenant, kept, actors[names.owner_role])
        sessions.release(session)
    except BaseException:
        # It may be acting as another role.
        session.close()
        raise


def find_logins(session: Connection, tenant: Tenant) -> list[str]:
    """Return those of a tenant's logins that can log in. Raise psycopg2.Error."""
    (found,) = sessions.fetch_composed(session, _Logins, composed(tenant.names, QUERIES["find_logins"]))
    return found.logins


def look(session: Connection, tenant: Tenant) -> Entered:
    """Return who is in a tenant and by what somebody could come in. Raise psycopg2.Error."""
    (found,) = sessions.fetch_composed(session, Entered, composed(tenant.names, QUERIES["find_entered"]))
    return found


def _grantee(name: str | None) -> sql.Composable:
    return sql.SQL("PUBLIC") if name is None else sql.Identifier(name)
