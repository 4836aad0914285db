"""Restore the access to a tenant's database as recorded, in one transaction."""

from collections.abc import Iterator, Mapping

from psycopg2 import sql

from provisioning import queries
from provisioning.cluster import acting
from provisioning.cluster.acting import ADMIN_AGAIN, Actor
from provisioning.errors import ResumptionFailed
from provisioning.tenant.gate import Gate, grantee
from provisioning.tenant.suspensions import Grant, WayIn

QUERIES = queries.load(__file__)
PRIVILEGES = {name: sql.SQL(name) for name in ("CREATE", "CONNECT", "TEMPORARY")}
TRIES = 3


def restore(gate: Gate) -> None:
    """Restore what is recorded: each grant by its grantor, in the order of the ACL, then limits and logins.

    Raise ResumptionFailed while a lock blocks it, or a job of another tenant that had granted something is at work; and
    psycopg2.Error.
    """
    before, now = gate.kept.way_in, gate.find_way_in()
    grantors = gate.others(before.grantors) if before is not None else []
    with gate.admin.holding(grantors) as (_, may_be_joined):
        if busy := set(grantors) - set(may_be_joined):
            raise ResumptionFailed(f"a job of the tenant of {min(busy)}, which had granted access, is at work")
        message: list[sql.Composable] = []
        if before is not None:
            message += _restored(gate, before, now)
        message += _limited(gate, now)
        message += [gate.composed(QUERIES["open_login"], login=sql.Identifier(name)) for name in gate.kept.logins]
        if not any(gate.send(sql.Composed(message)) for _ in range(TRIES)):
            raise ResumptionFailed("a lock blocks opening the tenant")


def _restored(gate: Gate, before: WayIn, now: WayIn) -> Iterator[sql.Composable]:
    grantors = acting.find(gate.session, gate.others(before.grantors))
    named = [grant.grantee for grant in before.grants if grant.grantee is not None]
    existing = {None, *acting.existing(gate.session, named)}
    for name in dict.fromkeys(grant.grantee for grant in now.grants):
        yield gate.composed(QUERIES["revoke_all"], grantee=grantee(name))
    yield from _as_grantors(grantors, acting.joining)
    # A role that was removed since then gets no grant back, and neither do the grants that it made.
    known = {*grantors, *gate.own_roles}
    possible = [grant for grant in before.grants if grant.grantee in existing and grant.grantor in known]
    for grant in in_order_of_dependency(possible, gate.tenant.names.owner_role):
        query = QUERIES["grant_privilege_with_option" if grant.is_grantable else "grant_privilege"]
        yield acting.as_role(grant.grantor)
        yield gate.composed(query, privilege=PRIVILEGES[grant.privilege], grantee=grantee(grant.grantee))
    # Where the admin acts itself, no creator follows the last grantor.
    yield ADMIN_AGAIN
    yield from _as_grantors(grantors, acting.leaving)
    yield gate.owner.becoming


def _limited(gate: Gate, now: WayIn) -> Iterator[sql.Composable]:
    """Yield what restores the database's limits, which a suspension may raise before it has revoked anything."""
    before = gate.kept.limits
    if before is not None and before != now.limits:
        limit, allow_connections = before
        allowed = sql.SQL("true" if allow_connections else "false")
        yield gate.composed(QUERIES["open_limits"], allow_connections=allowed, limit=sql.Literal(limit))


def in_order_of_dependency(grants: list[Grant], owner: str) -> list[Grant]:
    """Return the grants in the order of their ACL, but each only after the one that lets its grantor grant it.

    A grant whose grantor has no grant option, which PostgreSQL never leaves behind, is omitted.
    """
    waiting, ordered = list(grants), list[Grant]()
    while ready := next((one for one in waiting if _may_grant(one, ordered, owner)), None):
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _may_grant(grant: Grant, made: list[Grant], owner: str) -> bool:
    return grant.grantor == owner or any(
        one.is_grantable and (one.grantee, one.privilege) == (grant.grantor, grant.privilege) for one in made
    )


def _as_grantors(grantors: Mapping[str, Actor], change: acting.Change) -> Iterator[sql.Composable]:
    return (change(actor) for actor in grantors.values() if not actor.may_act)
