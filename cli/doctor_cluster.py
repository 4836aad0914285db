"""Examine a cluster: its admin, register and creators; then its roles and its tenants. Every session is read-only."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli import doctor_roles, doctor_tenants
from cli.doctor_tenants import Known, RegisteredTenant
from cli.findings import Finding
from provisioning import queries
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS, LOGIN
from provisioning.cluster import creators, preparation
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster

QUERIES = queries.load(__file__)
PREPARE = "run provision cluster add for it again, which makes and grants what is missing"
SET_FSYNC = "set fsync = on for the server: without it, a crash can lose or corrupt what was committed"
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


def credentials(secret_id: str) -> dict[str, Any]:
    """Return the database credentials in a secret. Raise Misconfigured if some are missing, and what reading raises."""
    return secrets.read(secret_id, CREDENTIALS)


def registered_tenants(session: Connection) -> list[RegisteredTenant]:
    """Return every tenant in a register, over a session in its database. Raise psycopg2.Error."""
    return sessions.fetch(session, RegisteredTenant, QUERIES["find_registered"])


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
        registered = yield from _examine_register(subject, cluster, admin)
        view = doctor_tenants.look(session, cluster, known, before, registered)
        known.seen |= set(view.conditions)
        yield from (
            Finding(subject, *fact) for fact in doctor_roles.facts(session, view, admin_is_superuser=admin.is_superuser)
        )
        yield from (Finding(subject, *fact) for fact in doctor_tenants.facts(session, view))
        known.examined.add(cluster.cluster_id)
    room = known.rooms[cluster.cluster_id]
    if room <= 0:
        yield Finding(subject, f"all {cluster.capacity} places are taken", "add a cluster, or raise its capacity")
    others = sum(one.control_plane_id != known.control_plane_id for one in registered or [])
    shared_with = f"; {others} tenants of other control planes" if others else ""
    told = f"room for {max(room, 0)} of {cluster.capacity} databases"
    yield Finding(subject, f"reached on {where} as {admin.name}, {told}{shared_with}")


@contextmanager
def _reading(cluster: Cluster, dbname: str = sessions.REGISTER) -> Iterator[Connection]:
    with closing(sessions.connect(cluster, dbname)) as session:
        session.set_session(readonly=True)
        yield session


def _examine_register(
    subject: str, cluster: Cluster, admin: _Admin
) -> Generator[Finding, None, list[RegisteredTenant] | None]:
    """Yield what is wrong with the register and the creators, and return the register's tenants; None if unreadable."""
    if admin.register_owner != admin.name:
        return None
    with _reading(cluster) as session:
        try:
            registered = registered_tenants(session)
            made = sessions.fetch(session, _Creator, QUERIES["find_creators"], **SHARED)
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            yield Finding(subject, f"{admin.name} finds no tables in the register", PREPARE)
            return None
    usable = sum(creator.is_usable for creator in made)
    wanted = max(len(made), preparation.FIRST_CREATORS) if admin.version >= creators.SINCE // 10000 else 0
    if usable < wanted:
        yield Finding(subject, f"{admin.name} can use {usable} of {wanted} creators of tenants' roles", PREPARE)
    return registered


def _facts_of_admin(session: Connection, cluster: Cluster, admin: _Admin) -> Iterator[tuple[str, str]]:
    name = admin.name
    if not admin.is_durable:
        yield f"the server on {cluster.host}:{cluster.port} runs with fsync off", SET_FSYNC
    withheld = [row.role for row in sessions.fetch(session, _Role, QUERIES["find_withheld_roles"], **SHARED)]
    if admin.is_superuser:
        remedy = "put another admin into its secret: CREATEROLE and CREATEDB are enough"
        yield f"{name} is a superuser on {cluster.host}:{cluster.port}", remedy
    if not (admin.may_create or admin.is_superuser):
        yield f"{name} may not create roles and databases", f"give {name} CREATEROLE and CREATEDB"
    if withheld and not admin.is_superuser:
        yield f"{name} may not grant {', '.join(withheld)}", PREPARE
    if admin.register_owner is None:
        yield f"it has no register, the database {sessions.REGISTER}", PREPARE
    elif admin.register_owner != name:
        remedy = f"make {name} the owner of the database {sessions.REGISTER}, as a superuser"
        yield f"the register belongs to {admin.register_owner}, not to {name}", remedy
    for one in sessions.fetch(session, _Open, QUERIES["find_open"], register=sessions.REGISTER, **SHARED):
        who = "every tenant's login" if "PUBLIC" in one.let_in else f"a tenant's login, as {', '.join(one.let_in)},"
        revoke = sql.SQL("REVOKE ALL ON DATABASE {} FROM {};")
        # The server has quoted the grantees.
        statement = revoke.format(sql.Identifier(one.database), sql.SQL(", ".join(one.let_in))).as_string(session)
        yield f"{who} may connect to the database {one.database}", f"as its owner: {statement}"
    if str(admin.version) != cluster.version:
        remedy = "run provision cluster add for it again, which records the server's version"
        yield f"the server is PostgreSQL {admin.version}, registered as {cluster.version}", remedy
