"""The roles that every tenant's login may take: what they may be, and how the admin gets them.

Whatever such a role may do, every tenant of the server may do. A role that was there before and may do more than what
is granted to it in the tenants' databases is therefore not adopted.
"""

from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.errors import Misconfigured

QUERIES = queries.load(__file__)


class _SharedRole(NamedTuple):
    is_there: bool
    may_be_acted_as: bool
    may_be_granted: bool


class Power(NamedTuple):
    """What a shared role may do that no tenant may, and the statement that takes it away."""

    role: str
    power: str
    remedy: str


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


def find_powers(session: Connection, admin_role: str) -> list[Power]:
    """Return what the shared roles may do that no tenant may. The remedies give to the admin what such a role owns.

    Raise psycopg2.Error.
    """
    has_grantors = session.server_version >= creators.SINCE
    asked = {"shared_roles": list(creators.SHARED_ROLES), "admin": admin_role, "has_grantors": has_grantors}
    return sessions.fetch(session, Power, QUERIES["find_powers"], **asked)


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
