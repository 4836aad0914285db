"""The roles that every tenant's login may take: what they may be, and how the admin gets them.

Whatever such a role may do, every tenant of the server may do. An existing role that may do more than what is
granted to it in the tenants' databases is therefore refused.

A tenant that has become such a role can change its settings and its password, on the whole server, and PostgreSQL has
no privilege that prevents that (AlterRoleSet in user.c: "unless you're just trying to change your own settings").
PostgREST applies these settings to the requests of every tenant. So upkeep resets them. A password is useless to a
role that cannot log in, and only a superuser can see whether there is one.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting, blocking, creators, prepared
from provisioning.cluster import session as sessions
from provisioning.cluster.blocking import IN_THE_WAY, LOCK_TIMEOUT, Admin
from provisioning.control_plane import Cluster
from provisioning.errors import Misconfigured

QUERIES = queries.load(__file__)
AT_MOST_SECONDS = 5
"""How long a reset tries again what transactions of tenants hold up."""

AT_ONCE = 100
"""Databases' settings that one message resets: a tenant may set some for every database of the server."""

NAMED = 20
"""Settings that a reset names."""


class _SharedRole(NamedTuple):
    is_there: bool
    may_be_acted_as: bool
    may_be_granted: bool


class Power(NamedTuple):
    """What a shared role may do that no tenant may, and the statement that takes it away."""

    role: str
    power: str
    remedy: str


class Setting(NamedTuple):
    """Settings of a shared role, by name."""

    role: str
    database: str | None
    """None is every database of the server."""
    names: Sequence[str]

    @property
    def reset(self) -> sql.Composable:
        """The statements that reset those that the current user may set."""
        # Only a superuser may reset a setting of a language that is not loaded.
        ours = any(name.startswith("plpgsql.") for name in self.names)
        loading = sql.SQL("DO LANGUAGE plpgsql 'BEGIN END';" if ours else "")
        return sql.Composed([loading, resetting(self)])


def prepare(session: Connection, admin_role: str) -> None:
    """Make the shared roles that are missing, and let the admin grant them and act as them.

    Raise Misconfigured, before anything is changed, if one that exists may do what no tenant may; and psycopg2.Error.
    """
    if found := find_powers(session, admin_role):
        held = ", ".join(f"{one.role} has {one.power}" for one in found)
        statements = " ".join(one.remedy for one in found)
        raise Misconfigured(f"every tenant could use what a shared role has: {held}. As a superuser: {statements}")
    for role in creators.SHARED_ROLES:
        _prepare(session, role, admin_role)
    # Upkeep does what an open transaction blocks here.
    with suppress(*IN_THE_WAY, errors.InvalidCatalogName):
        for together in _changes(find_settings(session)):
            _send(session, sql.Composed(together))


def find_powers(session: Connection, admin_role: str) -> list[Power]:
    """Return what the shared roles may do that no tenant may. The remedies give to the admin what such a role owns.

    Raise psycopg2.Error.
    """
    has_grantors = session.server_version >= creators.SINCE
    asked = {"shared_roles": list(creators.SHARED_ROLES), "admin": admin_role, "has_grantors": has_grantors}
    return sessions.fetch(session, Power, QUERIES["find_powers"], **asked)


def find_settings(session: Connection) -> list[Setting]:
    """Return the settings of the shared roles, which should have none. Raise psycopg2.Error."""
    return sessions.fetch(session, Setting, QUERIES["find_settings"], shared_roles=list(creators.SHARED_ROLES))


def resetting(setting: Setting) -> sql.Composed:
    """Return the statement that resets what the current user may set."""
    within = sql.SQL(" IN DATABASE {}").format(sql.Identifier(setting.database)) if setting.database else sql.SQL("")
    return sql.SQL("ALTER ROLE {}{} RESET ALL;").format(sql.Identifier(setting.role), within)


def reset(cluster: Cluster) -> list[str]:
    """Reset the passwords and the settings of the shared roles, and return which settings were reset.

    Those that a tenant has meanwhile set again come first and are called so; at most NAMED are named. A tenant's open
    or prepared transaction that has changed one delays this by 500 ms; then it is ended. What is held up is tried again
    for AT_MOST_SECONDS, and holds up nothing else. What only a superuser may reset stays and is not returned: settings
    that a superuser made, and those of an extension that is not loaded here. Raise psycopg2.Error, and Busy if
    something is still held up.
    """
    session, before = sessions.on(cluster, find_settings)
    admin = Admin(cluster, session, (), sql.SQL(""), blocking.is_login_of_a_tenant, prepared.roll_back)
    try:
        kept = _persist(admin, _changes(before))
        again = set(_named(find_settings(session))) if before else set()
    except BaseException:
        # The session may still be acting as a creator.
        session.close()
        raise
    not_ours = set(_named(kept))
    names = [name for name in _named(before) if name not in not_ours]
    names = [*(f"{name}, set again" for name in names if name in again), *(name for name in names if name not in again)]
    others = [f"and {len(names) - NAMED} others"] if len(names) > NAMED else []
    return names[:NAMED] + others


def _prepare(session: Connection, role: str, admin_role: str) -> None:
    names = sql.Identifier(role), sql.Identifier(admin_role)
    has_options = session.server_version >= creators.SINCE
    asked = {"role": role, "admin": admin_role, "option": "SET" if has_options else "MEMBER"}
    (found,) = sessions.fetch(session, _SharedRole, QUERIES["find_shared_role"], **asked)
    with session.cursor() as cursor:
        if not found.is_there:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(names[0]))
            (found,) = sessions.fetch(session, _SharedRole, QUERIES["find_shared_role"], **asked)
        if not found.may_be_granted:
            cursor.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(*names))
        elif not found.may_be_acted_as:
            # Only the shared role can roll back a transaction that a tenant prepared as that role. An admin that
            # created the role may grant it, but may not become it yet.
            options = sql.SQL(" WITH INHERIT FALSE, SET TRUE" if has_options else "")
            cursor.execute(sql.Composed([sql.SQL("GRANT {} TO {}").format(*names), options]))


def _named(settings: Sequence[Setting]) -> Iterator[str]:
    for one in settings:
        within = f" in {one.database}" if one.database is not None else ""
        yield from (f"setting {name} of {one.role}{within}" for name in one.names)


def _changes(settings: Sequence[Setting]) -> list[list[sql.Composable]]:
    """Return what is reset, by message: first the whole server's, each by itself; last the useless passwords."""
    alone = [one.reset for one in settings if one.database is None]
    others = [one.reset for one in settings if one.database is not None]
    # Each time, because only a superuser can see whether there is a password: 983 bytes of WAL and 0.1 ms.
    cleared = sql.SQL("ALTER ROLE {} PASSWORD NULL;")
    passwords: list[sql.Composable] = [cleared.format(sql.Identifier(role)) for role in creators.SHARED_ROLES]
    batches = [others[at : at + AT_ONCE] for at in range(0, len(others), AT_ONCE)]
    return [*([one] for one in alone), *batches, *([one] for one in passwords)]


def _send(session: Connection, change: sql.Composable) -> None:
    acting.send(session, sql.Composed([LOCK_TIMEOUT, change]))


def _persist(admin: Admin, changes: Sequence[list[sql.Composable]]) -> list[Setting]:
    """Send each message of changes past the transactions of tenants, and return what they could not reset.

    Of a message that fails each change is then sent by itself. Raise at the end the first error other than Busy, or
    Busy if something is in the way until then.
    """
    ends_at = time.monotonic() + AT_MOST_SECONDS
    waiting, kept, failures = deque(changes), list[Setting](), list[psycopg2.Error]()
    while waiting and time.monotonic() < ends_at:
        together = waiting.popleft()
        try:
            if _is_sent(admin, together, kept):
                continue
        except psycopg2.Error as error:
            if admin.session.closed:
                raise
            if len(together) == 1:
                # A database may have been dropped since.
                failures += [] if isinstance(error, errors.InvalidCatalogName) else [error]
                continue
        waiting.extend([one] for one in together)
    if waiting:
        failures.append(
            postgres.Busy(
                "an open or prepared transaction, or a tenant that repeats its change,"
                " keeps the roles that tenants share from being reset"
            )
        )
    if failures:
        raise failures[0]
    return kept


def _is_sent(admin: Admin, together: list[sql.Composable], kept: list[Setting]) -> bool:
    """Send a message of changes, and add to `kept` what they could not reset. Return False if it is held up."""
    message = sql.Composed([LOCK_TIMEOUT, *together, postgres.composed(QUERIES["find_kept"])])
    return admin.attempt(lambda session: kept.extend(sessions.fetch_composed(session, Setting, message)))
