"""Find privileges that the admin or tenants' logins hold through roles, nested or not."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.cluster import creators, shared_roles
from provisioning.cluster import session as sessions
from provisioning.examination.server import SUPERUSER, Fact
from provisioning.examination.tenants import View

QUERIES = queries.load(__file__)
RECONCILE = "Reconcile revokes it within a minute; if it does not, read that function's log"

RESET = "Reconcile resets them within a minute; if it does not, read that function's log, and"


class _Reached(NamedTuple):
    path: list[str]
    """From the role that may use the last one, over the roles in between."""
    grantor: str
    """Who has granted the last membership of the path."""
    is_admin: bool
    tenant_id: str | None
    reached_tenant_id: str | None
    is_superuser: bool


class _Attributes(NamedTuple):
    role: str
    tenant_id: str | None
    attributes: list[str]


def facts(session: Connection, view: View, *, admin_is_superuser: bool) -> Iterator[Fact]:
    """Yield what roles may that they should not, each with what revokes it. Raise psycopg2.Error.

    A superuser may everything, which is a finding of its own. Memberships of a tenant that a job is changing are left
    out: the job joins its roles for that time.
    """
    shared = {"shared_roles": list(creators.SHARED_ROLES)}
    steady = {one.tenant_id for one in view.steady()}
    reached = sessions.fetch(session, _Reached, QUERIES["find_reached"], **shared)
    for _, along in groupby((one for one in reached if not one.is_admin), lambda one: one.path[:2]):
        yield _fact_of_tenants_role(session, *along)
    for one in (one for one in reached if one.is_admin and not admin_is_superuser):
        if one.is_superuser or one.reached_tenant_id in steady:
            yield _fact_of_admin(session, one)
    for held in shared_roles.find_powers(session, session.info.user):
        yield f"{held.role}, which every tenant may become, has {held.power}", f"{SUPERUSER}: {held.remedy}"
    for setting in shared_roles.find_settings(session):
        within = f" in the database {setting.database}" if setting.database is not None else ""
        fact = f"{setting.role}, which every tenant may become, has settings{within}: {', '.join(setting.names)}"
        yield fact, f"{RESET} {SUPERUSER}: {shared_roles.resetting(setting).as_string(session)}"
    for found in sessions.fetch(session, _Attributes, QUERIES["find_attributes"]):
        lacking = " ".join(f"NO{attribute}" for attribute in found.attributes)
        statement = sql.SQL("ALTER ROLE {} {};").format(sql.Identifier(found.role), sql.SQL(lacking))
        fact = f"{_subject(found.tenant_id)}{found.role} has {' and '.join(found.attributes)}"
        yield fact, f"{SUPERUSER}: {statement.as_string(session)}"


def _fact_of_tenants_role(session: Connection, first: _Reached, *further: _Reached) -> Fact:
    root, role = first.path
    through = f", and through it {', '.join(one.path[-1] for one in further)}" if further else ""
    return f"{_subject(first.tenant_id)}{root} may use {role}{through}", _revoked(session, first)


def _fact_of_admin(session: Connection, one: _Reached) -> Fact:
    root, *between, last = one.path
    through = f" through {', '.join(between)}" if between else ""
    fact = f"{_subject(one.reached_tenant_id)}{root} may use {last}{through}"
    is_left = not one.is_superuser and one.grantor in (root, *between) and all(map(creators.is_creator, between))
    return fact, RECONCILE if is_left else _revoked(session, one)


def _subject(tenant_id: str | None) -> str:
    return f"tenant {tenant_id}: " if tenant_id is not None else ""


def _revoked(session: Connection, one: _Reached) -> str:
    member, role, grantor = (sql.Identifier(name) for name in (one.path[-2], one.path[-1], one.grantor))
    # Before PostgreSQL 16 a membership has one grantor, who need not exist any more.
    by = sql.SQL(" GRANTED BY {}").format(grantor) if session.server_version >= creators.SINCE else sql.SQL("")
    statement = sql.SQL("REVOKE {} FROM {}{};").format(role, member, by)
    return f"{SUPERUSER}: {statement.as_string(session)}"
