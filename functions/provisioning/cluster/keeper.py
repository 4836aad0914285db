"""Keep an admin's right to grant its tenants' roles across an upgrade from a PostgreSQL before 16.

There CREATEROLE is enough to grant a role; since 16 only who has ADMIN OPTION on it can. So before 16 a role that
nobody logs in as, the keeper, gets ADMIN OPTION on every tenant's roles, and pg_upgrade and pg_dumpall move that. The
admin is no member of the keeper: at each SET ROLE the server would walk through the memberships of all tenants, before
16 in quadratic time (20 ms with 1,000 tenants, 240 to 280 ms with 3,000). Instead the keeper owns a function in the
register's database, which only the admin may call, and which gives the roles to creators on the new server.
"""

from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting, creators
from provisioning.cluster import session as sessions
from provisioning.cluster.creators import KEEPER, TENANT_ROLE

QUERIES = queries.load(__file__)
AT_ONCE = 8
"""Roles in one statement: each takes 50 ms or more where the keeper has those of 3,000 tenants."""


class Keeping(NamedTuple):
    """Whether the keeper can give roles to creators, and the tenants' roles on which it has no ADMIN OPTION."""

    exists: bool
    not_kept: list[str]


def find(session: Connection) -> Keeping:
    """Return what the keeper has, over a session in the register's database. Raise psycopg2.Error."""
    (found,) = sessions.fetch(session, Keeping, QUERIES["find_keeping"], keeper=KEEPER, tenant_role=TENANT_ROLE)
    return found


def prepare(session: Connection) -> None:
    """Make the keeper and let it keep every tenant's roles, before 16; repeating it adds what is missing.

    The session is in the register's database, as the admin. Raise psycopg2.Error.
    """
    found = find(session)
    names = {"keeper": sql.Identifier(KEEPER)}
    sent = [QUERIES["make_keeper"]] if not acting.existing(session, [KEEPER]) else []
    # One message is one transaction: the admin does not stay a member.
    message = [
        postgres.composed(*sent, QUERIES["join_keeper"], QUERIES["prepare_keeper"], QUERIES["leave_keeper"], **names)
    ]
    if found.not_kept:
        roles = sql.SQL(", ").join(map(sql.Identifier, found.not_kept))
        message.append(postgres.composed(QUERIES["give_to_keeper"], roles=roles, **names))
    acting.send(session, sql.Composed(message))


def hand_over(session: Connection, admin: str) -> None:
    """Let the admin's creators grant the roles that the keeper has brought from before 16.

    Creators must have enough places. The session is in the register's database, as the admin. Raise psycopg2.Error.
    """
    if not find(session).exists:
        return
    for place in creators.find_places(session, admin):
        for at in range(0, len(place.roles), AT_ONCE):
            roles = place.roles[at : at + AT_ONCE]
            sessions.send(session, QUERIES["give_to_creator"], creator=place.creator, roles=roles)


def may_hand_over(session: Connection, admin: str) -> bool:
    """Return whether hand_over would give a role to a creator. Raise psycopg2.Error."""
    found = find(session)
    places = creators.find_places(session, admin) if found.exists else []
    return not {role for place in places for role in place.roles} <= set(found.not_kept)
