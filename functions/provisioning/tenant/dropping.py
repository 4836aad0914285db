"""Drop a tenant's database and roles, whatever its owner or another tenant has done to prevent it.

Sessions end first; then the database is closed, sessions that were let in before end, prepared transactions are rolled
back, and it is dropped; then the roles. A tenant's session that holds a blocking lock is ended: its open
transaction is rolled back, and nothing that was committed is lost.
"""

import time
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.cluster import acting, blocking, creators, prepared
from provisioning.cluster import session as sessions
from provisioning.cluster.blocking import Admin, Prepared
from provisioning.cluster.creators import ADMIN_AGAIN
from provisioning.cluster.register import Found
from provisioning.errors import RollbackFailed
from provisioning.identity import Tenant, TenantNames
from provisioning.tenant import dependencies
from provisioning.tenant.making import QUERIES, composed

ROUNDS = 5
"""How often an attempt ends what blocks it, or removes references to the roles, before it gives up."""

IMPATIENT = sql.SQL("SET lock_timeout = '500ms';")
PATIENT_AGAIN = sql.SQL("SET lock_timeout = 0;")


class _InTheWay(NamedTuple):
    gid: str | None
    """None for a session."""
    owner: str
    database: str


class Dropping(NamedTuple):
    """The removal of a tenant from its cluster. Until it ends, its creator, or else the admin, has joined its roles."""

    admin: Admin
    names: TenantNames
    creator: str | None
    roles: list[str]
    ends_at: float

    def begin(self) -> None:
        """Join the roles and end the tenant's sessions, so that none of them prepares or locks anything more."""
        ended = self._composed("join_existing_roles", "end_sessions_of_database") if self.roles else sql.SQL("")
        self._send(IMPATIENT, self.admin.becoming, ended)

    def close(self, *, database_is_valid: bool) -> None:
        """Refuse new connections, and end what is in the database or belongs to the login elsewhere.

        Raise RollbackFailed, which names what the admin may not end.
        """
        closed = ["close_login"] if self.names.login_role in self.roles else []
        closed += ["close_database"] if database_is_valid else []
        found: list[_InTheWay] = []
        for _ in range(ROUNDS):
            # The login first: a change of the database that was prepared may keep this from closing the database.
            for name in closed:
                self._send(self.admin.becoming, self._composed(name))
            # Only the admin can end slots, and sessions of logins that are not the tenant's.
            ended = self._composed("end_sessions_of_database", "end_sessions_of_slots", "drop_slots")
            asked = sql.Composed([ADMIN_AGAIN, ended, self.admin.becoming, self._composed("find_in_the_way")])
            found = sessions.fetch_composed(self.admin.session, _InTheWay, asked)
            if not found:
                return
            self._clear(found)
        named = ", ".join(sorted({f"prepared transaction {one.gid}" if one.gid else one.owner for one in found}))
        raise RollbackFailed(f"in the way of the removal: {named}")

    def drop_database(self, *, is_valid: bool) -> None:
        """Drop the database once nothing blocks it, and end sessions that were still connecting."""
        for remaining in reversed(range(ROUNDS)):
            self.close(database_is_valid=is_valid)
            try:
                self._send(self._composed("drop_database"))
            except errors.ObjectInUse:
                if not remaining or time.monotonic() > self.ends_at:
                    raise
            else:
                return

    def drop_roles(self) -> list[str]:
        """Drop the roles, and return the databases that still refer to them.

        If there are any, the roles stay, without login, password and memberships.
        """
        dropped = self._composed("drop_roles")
        held_up: list[str] = []
        for _ in range(ROUNDS):
            try:
                self._send(self.admin.becoming, dropped, ADMIN_AGAIN, creators.freed(self.creator), PATIENT_AGAIN)
            except errors.DependentObjectsStillExist:
                before, held_up = held_up, dependencies.release(self.admin, self.roles, self.creator)
                if held_up and held_up == before:
                    break
            else:
                return []
        disarmed = ["close_login_permanently"] if self.names.login_role in self.roles else []
        self._send(self.admin.becoming, self._composed(*disarmed, "leave_existing_roles"), ADMIN_AGAIN, PATIENT_AGAIN)
        return held_up or ["a database that refers to them again and again"]

    def _clear(self, found: list[_InTheWay]) -> None:
        for role in dict.fromkeys(one.owner for one in found if one.gid is None):
            try:
                self.admin.end_as(role, self._composed("end_sessions_of_database"))
            except errors.InsufficientPrivilege:
                # The next look finds out whether it is still there.
                continue
        prepared.roll_back(self.admin, [Prepared(one.gid, one.owner, one.database) for one in found if one.gid])

    def _send(self, *message: sql.Composable) -> None:
        while not self.admin.send(sql.Composed(message)):
            if time.monotonic() > self.ends_at:
                raise RollbackFailed(self._held_up())

    def _held_up(self) -> str:
        found = sessions.fetch_composed(self.admin.session, _InTheWay, self._composed("find_in_the_way"))
        if named := sorted(one.gid for one in found if one.gid is not None):
            return f"in the way of the removal: prepared transaction {', '.join(named)}, which refuses the admin"
        return "a lock holds up the removal: not a tenant's, or of one whose job is at work"

    def _composed(self, *names: str) -> sql.Composed:
        existing = sql.SQL(", ").join(map(sql.Identifier, self.roles))
        own = [sql.Identifier(role) for role in self.roles if role != self.names.login_role]
        given = sql.SQL(", ").join([*own, creators.shared_roles()])
        return composed(self.names, *(QUERIES[name] for name in names), existing_roles=existing, given_roles=given)


def drop(tenant: Tenant, session: Connection, found: Found, removed: list[str]) -> list[str]:
    """Drop what exists of a tenant on its cluster, append each to `removed`, and return what holds up its roles.

    The session holds the tenant's lock. Raise RollbackFailed if something else is still there, and psycopg2.Error.
    """
    names = tenant.names
    creator = creators.of_role(found.administrator)
    roles = [role for role in (names.login_role, names.owner_role) if role in found.roles]
    member = creators.becoming(creator)
    admin = Admin(tenant.cluster, session, roles, member, blocking.is_login_of_a_tenant, prepared.roll_back)
    ends_at = time.monotonic() + sessions.STATEMENT_TIMEOUT_SECONDS
    dropping = Dropping(admin, names, creator, roles, ends_at)
    dropping.begin()
    if found.database_is_invalid is not None:
        dropping.drop_database(is_valid=found.database_exists)
        removed.append(names.database)
    elif roles:
        dropping.close(database_is_valid=False)
    if not roles:
        acting.send(session, PATIENT_AGAIN)
        return []
    held_up = dropping.drop_roles()
    removed += [] if held_up else roles
    return held_up
