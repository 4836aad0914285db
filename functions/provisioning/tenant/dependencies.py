"""Remove references to a tenant's roles from other databases: until then PostgreSQL refuses to drop the roles.

A grant, a policy or a default privilege can name any role of the server, and so can the restore of another tenant's
dump. `DROP OWNED` revokes it, inside the database that has it, and with it what a removed role has granted to others by
its grant option: PostgreSQL keeps no grant whose grantor has lost that. It needs the privileges of the roles and of the
grantors: the roles' creator has the former, and gets the latter for one transaction. No code of a tenant runs in it.
A grantor whose tenant has a job at work is not acted as: that job may be acting as it, too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting, creators
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN, Actor
from provisioning.cluster.blocking import LOCK_TIMEOUT, Admin
from provisioning.cluster.entering import DATABASE_OF_A_TENANT, entered

QUERIES = queries.load(__file__)
OF_THE_SERVER = "the server's own privileges"
AT_ONCE = 500
"""Policies that are dropped in one transaction."""


class _Database(NamedTuple):
    database: str | None


class _Policy(NamedTuple):
    schema: str
    relation: str
    policy: str


class _Grantor(NamedTuple):
    role: str
    position: int


def release(admin: Admin, roles: Sequence[str], creator: str | None) -> list[str]:
    """Remove from other tenants' databases what refers to these roles, and return the databases that still do.

    A policy for no other role goes, and so does what the roles have granted there. Nothing else changes, and only
    sessions of tenants that hold a blocking lock are ended. A database that belongs to no tenant is not entered. Raise
    psycopg2.Error only if the cluster itself fails.
    """
    for database in find(admin.session, roles):
        if DATABASE_OF_A_TENANT.fullmatch(database) is None:
            continue
        try:
            with entered(admin, database) as inside:
                _release_inside(admin, inside, database, roles, creator)
        except psycopg2.Error:
            if admin.session.closed:
                raise
    return find(admin.session, roles)


def find(session: Connection, roles: Sequence[str]) -> list[str]:
    """Return the names of the databases that refer to these roles. Raise psycopg2.Error."""
    found = sessions.fetch_composed(session, _Database, _composed("find_databases", roles))
    return [one.database or OF_THE_SERVER for one in found]


def _release_inside(admin: Admin, inside: Connection, database: str, roles: Sequence[str], creator: str | None) -> None:
    asked = _composed("find_grantors", roles, database_name=database)
    grantors = [one.role for one in sessions.fetch_composed(inside, _Grantor, asked)]
    actors = acting.find(inside, grantors)
    for actor in (actors[role] for role in grantors if role in actors):
        try:
            with admin.holding([actor.role]) as (holder, may_be_lent):
                if may_be_lent:
                    owned = _composed("drop_owned", roles)
                    _drop_policies(holder, inside, actor, roles, creator)
                    holder.send(_released(admin, actor, owned, creator), over=inside)
        except psycopg2.Error:
            # Nobody here may grant this role, or the tenant has let the roles own what others' objects depend on.
            if inside.closed or admin.session.closed:
                raise
        if database not in find(inside, roles):
            return


def _drop_policies(admin: Admin, inside: Connection, actor: Actor, roles: Sequence[str], creator: str | None) -> None:
    """Drop the policies for no other role on the actor's tables, if they are too many for one transaction."""
    asked = _composed("find_policies", roles, owner=actor.role, at_most=AT_ONCE)
    while len(found := sessions.fetch_composed(inside, _Policy, asked)) == AT_ONCE:
        names = [(sql.Identifier(one.policy), sql.Identifier(one.schema, one.relation)) for one in found]
        dropped = sql.Composed([sql.SQL("DROP POLICY IF EXISTS {} ON {};").format(*each) for each in names])
        if not admin.send(_released(admin, actor, dropped, creator), over=inside):
            return


def _released(admin: Admin, actor: Actor, drop: sql.Composable, creator: str | None) -> sql.Composed:
    dropped = sql.Composed([admin.becoming, drop, ADMIN_AGAIN])
    before, after = _lent(actor, creator)
    return sql.Composed([LOCK_TIMEOUT, *before, dropped, *after])


def _lent(actor: Actor, creator: str | None) -> tuple[list[sql.Composable], list[sql.Composable]]:
    """Return what gives the creator the privileges of a grantor, and what takes them back."""
    if creator is None:
        # Before PostgreSQL 16 the admin acts itself, and is a member of the shared roles anyway.
        return ([], []) if actor.may_act else ([acting.joining(actor)], [acting.leaving(actor)])
    taken = "take_back_shared" if actor.role in creators.SHARED_ROLES else "take_back"
    names = {"grantor": sql.Identifier(actor.role), "member": sql.Identifier(creator)}
    lent, back = (postgres.composed(QUERIES[name], **names) for name in ("lend", taken))
    return [actor.becoming, lent, ADMIN_AGAIN], [actor.becoming, back, ADMIN_AGAIN]


def _composed(name: str, roles: Sequence[str], **values: object) -> sql.Composed:
    array = sql.SQL("{}::text[]").format(sql.Literal(list(roles)))
    existing = sql.SQL(", ").join(map(sql.Identifier, roles))
    return postgres.composed(QUERIES[name], roles=array, existing_roles=existing, **values)
