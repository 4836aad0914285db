"""Examine a cluster's admin, register and creators. Every session is read-only."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import LiteralString, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.cluster import creators, keeper, preparation
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.examination.server import SUPERUSER, Fact

QUERIES = queries.load(__file__)
SET_FSYNC = "on the server, as a superuser: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();"
SHARED = {"shared_roles": list(creators.SHARED_ROLES)}


class Admin(NamedTuple):
    """A cluster's admin, and what it may do."""

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


@contextmanager
def reading(cluster: Cluster, dbname: str = sessions.REGISTER) -> Iterator[Connection]:
    """Yield a session of a cluster's admin that only reads. Raise psycopg2.Error."""
    with closing(sessions.connect(cluster, dbname)) as session:
        session.set_session(readonly=True)
        yield session


def find_admin(session: Connection) -> Admin:
    """Return the role of the session, and what it may do on the cluster. Raise psycopg2.Error."""
    (admin,) = sessions.fetch(session, Admin, QUERIES["find_admin"], register=sessions.REGISTER)
    return admin


def facts_of_admin(session: Connection, cluster: Cluster, admin: Admin) -> Iterator[Fact]:
    """Yield what the admin may not do that the stages do, or may and should not. Raise psycopg2.Error."""
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
        yield f"{name} may not create roles and databases", f"{SUPERUSER}: {altering}"
    if withheld and not admin.is_superuser:
        granting = [_statement(session, "GRANT {} TO {} WITH ADMIN OPTION;", role, name) for role in withheld]
        yield f"{name} may not grant {', '.join(withheld)}", f"{SUPERUSER}: {' '.join(granting)}"
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
        remedy = f"run {adding(cluster)}, which records the server's version"
        yield f"the server is PostgreSQL {admin.version}, registered as {cluster.version}", remedy


def _facts_of_standing(session: Connection, name: str) -> Iterator[Fact]:
    standing = preparation.find_standing(session, name)
    if statement := standing.lacking(session, name):
        fact = f"the register belongs to {standing.register_owner}, not to {name}"
        if not standing.inherits and session.server_version < creators.SINCE:
            fact = f"{name} does not inherit (NOINHERIT), so it cannot use its tenants' roles before PostgreSQL 16"
        yield fact, f"{SUPERUSER}: {statement.as_string(session)}"


def may_read_register(session: Connection, admin: Admin) -> bool:
    """Return whether there is a register that the admin uses. Raise psycopg2.Error."""
    return admin.register_owner is not None and preparation.find_standing(session, admin.name).uses_register


def facts_of_register(inside: Connection, cluster: Cluster, admin: Admin) -> list[Fact]:
    """Return what is wrong with a register and the creators in it, over a session in its database.

    Raise errors.UndefinedTable or errors.InsufficientPrivilege if the register cannot be read, for which there is
    fact_of_unreadable_register; and psycopg2.Error.
    """
    made = sessions.fetch(inside, _Creator, QUERIES["find_creators"], **SHARED)
    opened = sessions.fetch(inside, _Opened, QUERIES["find_opened"])
    granting = _facts_of_granting(inside, cluster, admin, made)
    return [*map(_fact_of_opened, opened), *granting]


def fact_of_unreadable_register(cluster: Cluster, admin: Admin) -> Fact:
    """Return what is wrong with a register whose tables the admin does not find."""
    return f"{admin.name} finds no tables in the register", _preparing(cluster)


def _fact_of_opened(one: _Opened) -> Fact:
    fact = f"{one.database} is still open to the admin, which entered it for a removal; before: {one.before}"
    return fact, "Reconcile closes it within a minute; if it does not, read that function's log"


def _facts_of_granting(inside: Connection, cluster: Cluster, admin: Admin, made: Sequence[_Creator]) -> Iterator[Fact]:
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
            yield fact, f"{SUPERUSER}: {creators.granting(inside, admin.name)}"


def _preparing(cluster: Cluster) -> str:
    return f"run {adding(cluster)}, which makes and grants what is missing"


def adding(cluster: Cluster, capacity: object = None) -> str:
    """Return the command that adds the cluster again, with another capacity if one is given."""
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
