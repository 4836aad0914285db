"""End everything that is in a tenant: sessions, logins in progress, and what outlives a session."""

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql

from provisioning import postgres, queries
from provisioning.cluster import acting
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN
from provisioning.cluster.blocking import Prepared
from provisioning.cluster.prepared import roll_back_inside
from provisioning.tenant.gate import Gate

QUERIES = queries.load(__file__)


class _Role(NamedTuple):
    role: str


class _Ended(NamedTuple):
    ended: int


def empty(gate: Gate, let_in: Sequence[str]) -> int:
    """End everything that is in the tenant, as far as the admin may; the next look finds what is left.

    `let_in` are the roles that the owner has let in: the role of a login in progress is not visible yet. Sessions are
    told to end, and not waited for. Return how many logins in progress were ended, which no look counts. Raise
    psycopg2.Error.
    """
    acting.send(gate.session, postgres.composed(QUERIES["record_nobody_ended"]))
    ended = gate.composed(QUERIES["end_sessions_of_tenant"], QUERIES["end_sessions_of_entering"])
    login = acting.as_role(gate.tenant.names.login_role)
    with suppress(errors.InsufficientPrivilege):
        acting.send(gate.session, sql.Composed([login, ended, ADMIN_AGAIN]))
    strangers = sessions.fetch_composed(gate.session, _Role, gate.composed(QUERIES["find_strangers"]))
    for role in gate.others([*let_in, *(one.role for one in strangers)]):
        # The next look finds out whether a session is left that nobody here may end.
        with suppress(errors.InsufficientPrivilege):
            gate.admin.end_as(role, ended)
    acting.send(gate.session, sql.Composed([ended, gate.composed(QUERIES["drop_idle_slots"])]))
    (entering,) = sessions.fetch(gate.session, _Ended, QUERIES["find_ended"])
    prepared = sessions.fetch_composed(gate.session, Prepared, gate.composed(QUERIES["find_prepared_transactions"]))
    for database in dict.fromkeys(one.database for one in prepared):
        roll_back(gate, database, [one for one in prepared if one.database == database])
    return entering.ended


def roll_back(gate: Gate, database: str, prepared: Sequence[Prepared]) -> None:
    """Roll prepared transactions back, each inside its database and as the role that prepared it.

    What cannot be rolled back yet is left for the next look. Raise psycopg2.Error.
    """
    if database == gate.tenant.names.database and not gate.send(gate.composed(QUERIES["open_to_the_admin"])):
        return
    others = gate.others(one.owner for one in prepared)
    with gate.admin.holding(others) as (_, may_be_joined), acting.joined(gate.session, may_be_joined) as joined:
        try:
            inside = sessions.connect(gate.tenant.cluster, dbname=database)
        except psycopg2.OperationalError:
            return
        with closing(inside):
            roll_back_inside(inside, [one for one in prepared if one.owner in (*joined, *gate.own_roles)])
