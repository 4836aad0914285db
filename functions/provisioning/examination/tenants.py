"""Compare what control plane, register and server say about the tenants of a cluster, by name and in both directions.

What is being changed meanwhile is no finding: a tenant counts only if the control plane says the same before and after
the server was read, and no job of it is running.
"""

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.examination.known import Known, KnownTenant, RegisteredTenant
from provisioning.examination.server import Fact
from provisioning.identity import TenantNames
from provisioning.tenant import condition
from provisioning.tenant.condition import Condition
from provisioning.tenant.making import composed

QUERIES = queries.load(__file__)
RESTORE = "see Restore in docs/operations.md"
REFILL = "RefillPools replaces it within five minutes; if it does not, read that function's log"
LIVE = ("active", "suspended")
IN_USE = ("ready", "claimed", *LIVE)


class _TenantId(NamedTuple):
    tenant_id: str


class View(NamedTuple):
    """One cluster as all three sides saw it, the control plane before and after the others."""

    cluster: Cluster
    control_plane_id: str
    before: Sequence[KnownTenant]
    after: Sequence[KnownTenant]
    conditions: dict[str, Condition]
    """Of every tenant that the control plane, the server or the register has here."""
    registered: dict[str, RegisteredTenant] | None
    """None: the register cannot be read."""

    def steady(self) -> list[KnownTenant]:
        """Return the tenants of this cluster that nothing was changing."""
        first = {one.tenant_id: (one.state, one.job_id) for one in self.before if not one.is_busy}
        changing = {one.tenant_id for one in (self.registered or {}).values() if one.is_changing}
        return [
            one
            for one in self.after
            if one.cluster_id == self.cluster.cluster_id
            and not one.is_busy
            and one.tenant_id not in changing
            and first.get(one.tenant_id) == (one.state, one.job_id)
        ]


def existing(session: Connection) -> list[str]:
    """Return the ids of which the server has a database or a role. Raise psycopg2.Error."""
    return [row.tenant_id for row in sessions.fetch(session, _TenantId, QUERIES["find_tenant_ids"])]


def find_registered(session: Connection) -> list[RegisteredTenant]:
    """Return every tenant in a register, over a session in its database. Raise psycopg2.Error."""
    return sessions.fetch(session, RegisteredTenant, QUERIES["find_registered"])


def look(
    session: Connection,
    cluster: Cluster,
    known: Known,
    before: Sequence[KnownTenant],
    registered: Sequence[RegisteredTenant] | None,
) -> View:
    """Read the server, and then the control plane again. Raise psycopg2.Error."""
    here = [one.tenant_id for one in before if one.cluster_id == cluster.cluster_id]
    held = {one.tenant_id: one for one in registered or []}
    conditions = condition.of_tenants(session, list(dict.fromkeys([*existing(session), *here, *held])))
    after = known.find_tenants()
    return View(cluster, known.control_plane_id, before, after, conditions, held if registered is not None else None)


def facts(session: Connection, view: View) -> Iterator[Fact]:
    """Yield what the three sides do not agree about, each with what mends it. The session only composes statements."""
    for one in (one for one in view.after if one.cluster_id == view.cluster.cluster_id):
        yield from _facts_of_removal(one, view)
    for one in view.steady():
        if one.state in IN_USE and one.tenant_id in view.conditions:
            yield from _facts_of_known(session, one, view)
        if one.state in ("claimed", "making") and one.job_id is not None:
            yield f"tenant {one.tenant_id} is left of job {one.job_id}", f"provision rollback {shlex.quote(one.job_id)}"
        elif one.state == "making" and not one.is_new:
            yield f"tenant {one.tenant_id} is left of a refill", REFILL
    known = {one.tenant_id for one in (*view.before, *view.after)}
    for tenant_id in view.conditions:
        if tenant_id not in known:
            yield from _facts_of_unknown(session, tenant_id, view)


def _facts_of_removal(one: KnownTenant, view: View) -> Iterator[Fact]:
    registered = (view.registered or {}).get(one.tenant_id)
    if one.state == "disputed":
        holder = registered.holder if registered is not None else "nobody"
        fact = f"tenant {one.tenant_id} is disputed: the register gives it to {holder}"
        yield fact, f"leave it as it is; {RESTORE}"
    if one.is_overdue and not one.is_busy:
        remedy = "check that the function Reconcile is invoked, and read its log"
        yield f"tenant {one.tenant_id} is being removed and overdue for its look", remedy
    if one.refusal is not None:
        remedy = "correct what it names; Reconcile then finishes the removal"
        yield f"tenant {one.tenant_id} cannot be removed: {one.refusal}", remedy


def _facts_of_known(session: Connection, one: KnownTenant, view: View) -> Iterator[Fact]:
    found, name = view.conditions[one.tenant_id], f"tenant {one.tenant_id}"
    mending = REFILL if one.state == "ready" else RESTORE
    if "database" in found.missing:
        yield f"{TenantNames(one.tenant_id).database} is not there", mending
    for role in (missing for missing in found.missing if missing != "database"):
        yield f"{name} has no {role}", mending
    if view.registered is not None:
        yield from _facts_of_registered(session, one, view, view.registered.get(one.tenant_id))
    if found.missing:
        return
    if one.state == "suspended" and (found.can_log_in or found.let_in):
        who = [
            *(["its login can log in"] if found.can_log_in else []),
            *(f"{role} may connect" for role in found.let_in),
        ]
        closing = ("close_access", "end_sessions_of_login", "leave_roles")
        # The server has quoted them.
        let_in = sql.SQL(", ".join(dict.fromkeys([*found.let_in, "PUBLIC"])))
        yield f"{name} is suspended, but {', '.join(who)}", _printed(session, found, *closing, let_in=let_in)
    elif one.state != "suspended" and found.closed:
        remedy = REFILL if one.state == "ready" else _printed(session, found, "open_access")
        yield f"{name} is {one.state}, but {', '.join(found.closed)}", remedy


def _facts_of_registered(
    session: Connection, one: KnownTenant, view: View, registered: RegisteredTenant | None
) -> Iterator[Fact]:
    name, mending = f"tenant {one.tenant_id}", REFILL if one.state == "ready" else RESTORE
    ours = {"control_plane_id": view.control_plane_id, "job_id": one.job_id, "project_id": one.project_id}
    if registered is not None and (registered.control_plane_id, registered.job_id) != (
        view.control_plane_id,
        one.job_id,
    ):
        yield f"{name} is {one.state}, but the register gives it to {registered.holder}", mending
    elif one.state == "ready" and registered is None:
        yield f"{name} is not in the register", mending
    elif one.state in LIVE and (registered is None or registered.state != one.state):
        told = "it is not in the register" if registered is None else f"the register has it as {registered.state}"
        found = view.conditions[one.tenant_id]
        remedy = _printed(session, found, "record_registered", tenant_id=one.tenant_id, state=one.state, **ours)
        yield f"{name} is {one.state}, but {told}", f"compare with provision whose {one.tenant_id}; then {remedy}"


def _facts_of_unknown(session: Connection, tenant_id: str, view: View) -> Iterator[Fact]:
    found, registered = view.conditions[tenant_id], (view.registered or {}).get(tenant_id)
    if registered is not None and registered.control_plane_id != view.control_plane_id:
        return
    database = TenantNames(tenant_id).database
    holder = f" ({registered.holder})" if registered is not None else ""
    roles = [role for role, there in _roles(found).items() if there]
    if registered is not None and registered.job_id is not None:
        mending = f"provision rollback {shlex.quote(registered.job_id)} removes it unless that job succeeded; {RESTORE}"
    elif found.connection_limit is not None:
        mending = RESTORE
    else:
        forget = ["forget_registered"] if registered is not None else []
        drop = ["drop_roles"] if roles else []
        existing = sql.SQL(", ").join(map(sql.Identifier, roles))
        mending = _printed(session, found, *drop, *forget, existing_roles=existing, tenant_id=tenant_id)
    if found.connection_limit is not None:
        yield f"{database}{holder} is unknown to the control plane", mending
    elif roles:
        verb = "have" if len(roles) > 1 else "has"
        yield f"{' and '.join(roles)}{holder} {verb} no database and no tenant", mending
    else:
        yield f"tenant {tenant_id}{holder} is only in the register", mending


def _roles(found: Condition) -> dict[str, bool]:
    names = TenantNames(found.tenant_id)
    return {names.login_role: found.has_login, names.owner_role: found.has_owner}


def _printed(session: Connection, found: Condition, *named: str, **values: object) -> str:
    """Return statements for an operator, on one line."""
    becoming = creators.becoming(creators.of_role(found.administrator))
    # Joined before names and values are in them, which may have white space of their own.
    lines = [query._replace(text=" ".join(query.text.split())) for query in (QUERIES[name] for name in named)]
    message = composed(TenantNames(found.tenant_id), *lines, becoming=becoming, **values)
    statements = sql.SQL(" ").join(message).as_string(session).strip()
    return f"in the cluster's database {sessions.REGISTER}, as its admin: {statements}"
