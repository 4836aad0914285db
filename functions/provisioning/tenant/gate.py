"""The access to a tenant's database, held for one change: how it is inspected, and how it is closed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting, entering, register
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN, Actor
from provisioning.cluster.blocking import LOCK_TIMEOUT, Admin
from provisioning.control_plane import ControlPlane
from provisioning.errors import InsufficientPermissions, RecordLost, ResourceConflict
from provisioning.identity import Tenant
from provisioning.queries import Query
from provisioning.tenant.making import composed
from provisioning.tenant.suspensions import Grant, Suspension, WayIn

QUERIES = queries.load(__file__)
Intention = Callable[[list[str], WayIn], Suspension]

POLL_SECONDS = 0.05


class Entered(NamedTuple):
    """What is in a tenant, what is coming in, and what would still let somebody in."""

    sessions: int
    of_its_login: int
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


class Gate(NamedTuple):
    """The access to a tenant, held for one change. Until then the admin may act as the tenant's roles."""

    session: Connection
    tenant: Tenant
    kept: Suspension
    """What is recorded of the access before it was closed."""
    owner: Actor

    @property
    def own_roles(self) -> tuple[str, str]:
        """The tenant's roles, as which the admin may act for as long as the gate is held."""
        return self.tenant.names.owner_role, self.tenant.names.login_role

    @property
    def admin(self) -> Admin:
        """The admin at work on the tenant. It may end whoever is in the way, and is only refused a superuser's."""
        becoming = self.owner.becoming
        return Admin(self.tenant.cluster, self.session, self.own_roles, becoming, may_end=lambda _: True)

    def is_open(self) -> bool:
        """Return whether the recorded access is in place, which its logins show: they open in one transaction with the
        rest.
        """
        return bool(self.kept.logins) and set(self.kept.logins) <= set(find_logins(self.session, self.tenant))

    def find_way_in(self) -> WayIn:
        """Return the database's privileges and limits as they are."""
        return find_way_in(self.session, self.tenant)

    def look(self) -> Entered:
        """Return what is in the tenant, and what would still let somebody in."""
        return look(self.session, self.tenant)

    def close_logins(self) -> bool:
        """Let nobody log in as the tenant any more; return False while a lock blocks that."""
        login = sql.Identifier(self.tenant.names.login_role)
        return self.send(self.composed(QUERIES["close_login"], login=login))

    def revoke_connect(self, way_in: WayIn) -> bool:
        """Let nobody but the admin connect; return False while a lock blocks that."""
        may = sorted(way_in.let_in(self.session.info.user), key=str)
        revoked = [self.composed(QUERIES["revoke_connect"], grantee=grantee(name)) for name in may]
        return self.send(sql.Composed(revoked)) if revoked else True

    def send(self, change: sql.Composable) -> bool:
        """Send a change as the tenant's owner, in one transaction; return False while a lock blocks it.

        Sessions that hold the lock are ended, in any database: no open transaction of a tenant delays a suspension.
        Raise psycopg2.Error.
        """
        return self.admin.send(sql.Composed([LOCK_TIMEOUT, self.owner.becoming, change, ADMIN_AGAIN]))

    def composed(self, *sent: Query, **values: object) -> sql.Composed:
        """Return queries with the tenant's names in them."""
        return composed(self.tenant.names, *sent, **values)

    def others(self, roles: Iterable[str]) -> list[str]:
        """Return which of the roles are not the tenant's own."""
        return sorted(set(roles) - set(self.own_roles))


@contextmanager
def held(
    control: ControlPlane, tenant: Tenant, job_id: str, check: Callable[[], None], intend: Intention
) -> Iterator[Gate]:
    """Hold the access to a live tenant for a job: its lock, its row in the register, and its roles for the admin.

    `check` runs once the lock is held, and raises if the attempt is superseded. `intend` records what is about to
    change, so that a compensation finds it: it gets the logins that can log in and the present access, and returns what
    is recorded. Raise ResourceConflict if the register does not have the tenant as live, RecordLost if the control
    plane has lost the access that the tenant had, InsufficientPermissions if the admin may not act as its owner, and
    psycopg2.Error.
    """
    names = tenant.names
    session, _ = sessions.on(tenant.cluster, lambda session: register.lock(session, names))
    try:
        check()
        _close_again(session, tenant)
        way_in = find_way_in(session, tenant)
        kept = intend(find_logins(session, tenant), way_in)
        found = register.claim_access(session, names, register.holder_of(control, job_id, tenant.project_id))
        if not found.is_ours:
            raise ResourceConflict(f"the register does not have tenant {tenant.tenant_id} as live")
        # An earlier attempt has closed what can be closed, and what it had recorded before is gone.
        can_enter = kept.logins and way_in.let_in(session.info.user)
        if found.may_be_closed and kept.way_in is None and not can_enter:
            raise RecordLost(f"the control plane has lost the access that tenant {tenant.tenant_id} had before")
        with acting.joined(session, [names.owner_role, names.login_role]) as actors:
            if names.owner_role not in actors:
                raise InsufficientPermissions(f"the admin may not act as {names.owner_role}: see provision doctor")
            yield Gate(session, tenant, kept, actors[names.owner_role])
        sessions.release(session)
    except BaseException:
        # The session may still be acting as another role.
        session.close()
        raise


def _close_again(session: Connection, tenant: Tenant) -> None:
    """Put back what a removal of another tenant changed to enter the database, so that its owner's own is recorded."""
    names = tenant.names
    if not entering.find_opened(session, names.database):
        return
    own = (names.owner_role, names.login_role)
    with acting.joined(session, [names.owner_role]) as actors:
        admin = Admin(tenant.cluster, session, own, actors[names.owner_role].becoming, may_end=lambda _: True)
        if not entering.close_again(admin, names.database):
            raise postgres.Busy(f"a lock keeps {names.database} open")


def find_logins(session: Connection, tenant: Tenant) -> list[str]:
    """Return which of a tenant's logins can log in. Raise psycopg2.Error."""
    (found,) = sessions.fetch_composed(session, _Logins, composed(tenant.names, QUERIES["find_logins"]))
    return found.logins


def find_way_in(session: Connection, tenant: Tenant) -> WayIn:
    """Return a database's privileges and limits as they are. Raise psycopg2.Error."""
    (found,) = sessions.fetch_composed(session, WayIn, composed(tenant.names, QUERIES["find_way_in"]))
    return found._replace(grants=[Grant(*grant) for grant in found.grants])


def look(session: Connection, tenant: Tenant) -> Entered:
    """Return what is in a tenant, and what would still let somebody in. Raise psycopg2.Error."""
    (found,) = sessions.fetch_composed(session, Entered, composed(tenant.names, QUERIES["find_entered"]))
    return found


def grantee(name: str | None) -> sql.Composable:
    """Return the grantee of that name; no name is PUBLIC."""
    return sql.SQL("PUBLIC") if name is None else sql.Identifier(name)
