"""Roll prepared transactions back: they outlive their sessions, and keep their locks."""

from collections.abc import Sequence

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting
from provisioning.cluster.blocking import Admin, Prepared
from provisioning.cluster.entering import entered

QUERIES = queries.load(__file__)


def roll_back(admin: Admin, prepared: Sequence[Prepared]) -> None:
    """Roll prepared transactions back, whichever databases they are in; what cannot be rolled back yet stays.

    So does what a role of another tenant has prepared, while a job of that tenant is at work. Raise psycopg2.Error.
    """
    for database in dict.fromkeys(one.database for one in prepared):
        found = [one for one in prepared if one.database == database]
        others = sorted({one.owner for one in found} - set(admin.own_roles))
        with admin.holding(others) as (holder, may_be_joined), acting.joined(admin.session, may_be_joined) as joined:
            try:
                with entered(holder, database) as inside:
                    roll_back_inside(inside, [one for one in found if one.owner in (*joined, *admin.own_roles)])
            except psycopg2.OperationalError:
                continue


def roll_back_inside(inside: Connection, prepared: Sequence[Prepared]) -> None:
    """Roll transactions back over a session in their database that may act as their owners. Raise psycopg2.Error."""
    with inside.cursor() as cursor:
        for one in prepared:
            try:
                cursor.execute(acting.as_role(one.owner))
                cursor.execute(postgres.composed(QUERIES["rollback_prepared"], gid=one.gid))
            except (errors.UndefinedObject, errors.ObjectNotInPrerequisiteState):
                # Its own session has finished it, or is doing so.
                continue
