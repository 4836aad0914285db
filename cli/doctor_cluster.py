"""Examine a cluster: its admin, register and creators; then its roles and its tenants. Every session is read-only."""

import shlex
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, LiteralString, NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli import doctor_roles, doctor_server, doctor_tenants
from cli.doctor_tenants import Known, RegisteredTenant
from cli.findings import Finding
from provisioning import queries
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS, LOGIN
from provisioning.cluster import connections, creators, keeper, preparation
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster

QUERIES = queries.load(__file__)
SET_FSYNC = "on the server, as a superuser: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();"
SHARED = {"shared_roles": list(creators.SHARED_ROLES)}


class _Admin(NamedTuple):
    name: str
    is_superuser: bool
    may_create: bool
    version: int
    is_durable: bool
    register_owner: str | None


class _Open(NamedTuple):
    database: str
    let_in: list[str]
    """Each quoted for a statement."""


class _Role(NamedTuple):
    role: str


class _Creator(NamedTuple):
    name: str
    is_usable: bool


class _Opened(NamedTuple):
    database: str
    connection_limit: int | None
    refuses_connections: bool
    refuses_admin: bool

    @property
    def before(self) -> str:
        """What its owner had set."""
        limit = [] if self.connection_limit is None else [f"CONNECTION LIMIT {self.connection_limit}"]
        refused = ["ALLOW_CONNECTIONS false"] if self.refuses_connections else []
        return ", ".join([*limit, *refused, *(["no CONNECT for the admin"] if self.refuses_admin else [])])


def credentials(secret_id: str) -> dict[str, Any]:
    """Return the database credentials in a secret. Raise Misconfigured if some are missing, and what reading raises."""
    return secrets.read(secret_id, CREDENTIALS)


def registered_tenants(session: Connection) -> list[RegisteredTenant]:
    """Return every tenant in a register, over a session in its database. Raise psycopg2.Error."""
    return sessions.fetch(session, RegisteredTenant, QUERIES["find_registered"])


def find_holders(cluster: Cluster, tenant_ids: Collection[str]) -> dict[str, RegisteredTenant | None]:
    """Return which of the tenants the cluster has, in its register or by the name of a database or a role.

    Each is as the register has it, None without a row there. Raise psycopg2.Error and ProvisioningError.
    """
    with _reading(cluster) as session:
        held: dict[str, RegisteredTenant | None] = dict.fromkeys(doctor_tenants.existing(session))
        held |= {one.tenant_id: one for one in registered_tenants(session)}
    return {tenant_id: held[tenant_id] for tenant_id in held.keys() & set(tenant_ids)}


def examine_cluster(cluster: Cluster, known: Known) -> Iterator[Finding]:
    """Yield whether the admin can connect and may do what the stages do, what roles may that they should not, and what
    only one of control plane, register and server knows.

    Raise psycopg2.Error and ProvisioningError.
    """
    subject, where = f"cluster {cluster.cluster_id}", f"{cluster.host}:{cluster.port}"
    dbname = secrets.read(cluster.admin_secret_id, LOGIN).get("dbname", "postgres")
    before = known.find_tenants()
    with _reading(cluster, dbname) as session:
        (admin,) = sessions.fetch(session, _Admin, QUERIES["find_admin"], register=sessions.REGISTER)
        yield from (Finding(subject, *fact) for fact in _facts_of_admin(session, cluster, admin))
        server = connections.find(session)
        for fact in doctor_server.facts_of_connections(session, server, cluster.capacity):
            yield Finding(subject, *fact)
        yield from (Finding(subject, *fact) for fact in doctor_server.facts(doctor_server.find(session)))
        registered = yield from _examine_register(session, subject, cluster, admin)
        view = doctor_tenants.look(session, cluster, known, before, registered)
        known.seen |= set(view.conditions)
        yield from (
            Finding(subject, *fact) for fact in doctor_roles.facts(session, view, admin_is_superuser=admin.is_superuser)
        )
        yield from (Finding(subject, *fact) for fact in doctor_tenants.facts(session, view))
        known.examined.add(cluster.cluster_id)
    room = known.rooms[cluster.cluster_id]
    if room <= 0:
        yield Finding(
            subject,
            f"all {cluster.capacity} places are taken",
            f"add a cluster, or raise its capacity: {_adding(cluster, 'MORE')}",
        )
    others = sum(one.control_plane_id != known.control_plane_id for one in registered or [])
    shared_with = f"; {others} tenants of other control planes" if others else ""
    told = f"room for {max(room, 0)} of {cluster.capacity} databases"
    yield Finding(subject, f"reached on {where} as {admin.name}, {told}{shared_with}; {doctor_server.told(server)}")


@contextmanager
def _reading(cluster: Cluster, dbname: str = sessions.REGISTER) -> Iterator[Connection]:
    with closing(sessions.connect(cluster, dbname)) as session:
        session.set_session(readonly=True)
        yield session


def _examine_register(
    session: Connection, subject: str, cluster: Cluster, admin: _Admin
) -> Generator[Finding, None, list[RegisteredTenant] | None]:
    """Yield what is wrong with the register and the creators, and return the register's tenants; None if unreadable."""
    if not preparation.find_standing(session, admin.name).uses_register or admin.register_owner is None:
        return None
    with _reading(cluster) as inside:
        try:
            registered = registered_tenants(inside)
            made = sessions.fetch(inside, _Creator, QUERIES["find_creators"], **SHARED)
            opened = sessions.fetch(inside, _Opened, QUERIES["find_opened"])
            granting = list(_facts_of_granting(inside, cluster, admin, made))
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            yield Finding(subject, f"{admin.name} finds no tables in the register", _preparing(cluster))
            return None
    for one in opened:
        fact = f"{one.database} is still open to the admin, which entered it for a removal; before: {one.before}"
        yield Finding(subject, fact, "Reconcile closes it within a minute; if it does not, read that function's log")
    yield from (Finding(subject, *fact) for fact in granting)
    return registered


def _facts_of_granting(
    inside: Connection, cluster: Cluster, admin: _Admin, made: Sequence[_Creator]
) -> Iterator[tuple[str, str]]:
    """Yield what keeps the admin from granting its tenants' roles, or will after an upgrade."""
    if admin.version < creators.SINCE // 10000:
        if lost := {role[7:27] for role in keeper.find(inside).not_kept}:
            fact = f"{admin.name} may not grant the roles of {len(lost)} tenants after an upgrade to PostgreSQL 16"
            yield fact, _preparing(cluster)
        return
    usable, wanted = sum(creator.is_usable for creator in made), max(len(made), preparation.FIRST_CREATORS)
    ungranted = creators.find_ungranted(inside, admin.name)
    if usable < wanted:
        yield f"{admin.name} can use {usable} of {wanted} creators of tenants' roles", _preparing(cluster)
    elif ungranted.tenants and not admin.is_superuser:
        fact = (
            f"{admin.name} may not grant the roles of {ungranted.tenants} tenants, which came from before PostgreSQL 16"
        )
        if ungranted.tenants > ungranted.places or keeper.may_hand_over(inside, admin.name):
            yield fact, _preparing(cluster)
        else:
            yield fact, f"{doctor_roles.SUPERUSER}: {creators.granting(inside, admin.name)}"


def _facts_of_admin(session: Connection, cluster: Cluster, admin: _Admin) -> Iterator[tuple[str, str]]:
    name = admin.name
    if not admin.is_durable:
        yield f"the server on {cluster.host}:{cluster.port} runs with fsync off", SET_FSYNC
    withheld = [row.role for row in sessions.fetch(session, _Role, QUERIES["find_withheld_roles"], **SHARED)]
    if admin.is_superuser:
        changed = shlex.join(["aws", "secretsmanager", "put-secret-value", "--secret-id", cluster.admin_secret_id])
        remedy = f"make an admin with CREATEROLE and CREATEDB: {changed} --secret-string file://admin.json"
        yield f"{name} is a superuser on {cluster.host}:{cluster.port}", remedy
    if not (admin.may_create or admin.is_superuser):
        altering = _statement(session, "ALTER ROLE {} CREATEROLE CREATEDB;", name)
        yield f"{name} may not create roles and databases", f"{doctor_roles.SUPERUSER}: {altering}"
    if withheld and not admin.is_superuser:
        granting = [_statement(session, "GRANT {} TO {} WITH ADMIN OPTION;", role, name) for role in withheld]
        yield f"{name} may not grant {', '.join(withheld)}", f"{doctor_roles.SUPERUSER}: {' '.join(granting)}"
    if admin.register_owner is None:
        yield f"it has no register, the database {sessions.REGISTER}", _preparing(cluster)
    else:
        yield from _facts_of_standing(session, name)
    for one in sessions.fetch(session, _Open, QUERIES["find_open"], register=sessions.REGISTER, **SHARED):
        who = "every tenant's login" if "PUBLIC" in one.let_in else f"a tenant's login, as {', '.join(one.let_in)},"
        revoke = sql.SQL("REVOKE ALL ON DATABASE {} FROM {};")
        # The server has quoted the grantees.
        statement = revoke.format(sql.Identifier(one.database), sql.SQL(", ".join(one.let_in))).as_string(session)
        yield f"{who} may connect to the database {one.database}", f"as its owner: {statement}"
    if str(admin.version) != cluster.version:
        remedy = f"run {_adding(cluster)}, which records the server's version"
        yield f"the server is PostgreSQL {admin.version}, registered as {cluster.version}", remedy


def _facts_of_standing(session: Connection, name: str) -> Iterator[tuple[str, str]]:
    standing = preparation.find_standing(session, name)
    if statement := standing.lacking(session, name):
        fact = f"the register belongs to {standing.register_owner}, not to {name}"
        if not standing.inherits and session.server_version < creators.SINCE:
            fact = f"{name} does not inherit (NOINHERIT), so it cannot use its tenants' roles before PostgreSQL 16"
        yield fact, f"{doctor_roles.SUPERUSER}: {statement.as_string(session)}"


def _preparing(cluster: Cluster) -> str:
    return f"run {_adding(cluster)}, which makes and grants what is missing"


def _adding(cluster: Cluster, capacity: object = None) -> str:
    options = {
        "--secret": cluster.admin_secret_id,
        "--capacity": cluster.capacity if capacity is None else capacity,
        "--size": cluster.size,
        "--region": cluster.region,
    }
    added = [part for option, value in options.items() for part in (option, str(value))]
    return shlex.join(["provision", "cluster", "add", cluster.cluster_id, *added])


def _statement(session: Connection, text: LiteralString, *names: str) -> str:
    return sql.SQL(text).format(*map(sql.Identifier, names)).as_string(session)
