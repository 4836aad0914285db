"""Examine a cluster: its admin, register and creators, and whether control plane, register and server agree."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli.findings import Finding
from provisioning import queries
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS, LOGIN
from provisioning.cluster import creators, preparation
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.identity import TenantNames

QUERIES = queries.load(__file__)
PREPARE = "run provision cluster add for it again, which makes and grants what is missing"
SET_FSYNC = "set fsync = on for the server: without it, a crash can lose or corrupt what was committed"
RESTORE = "see Restore in docs/operations.md"


class KnownTenant(NamedTuple):
    """A tenant as the control plane knows it. The refusal is why the latest look at a removed one failed."""

    tenant_id: str
    cluster_id: str
    state: str
    has_database: bool
    is_overdue: bool
    refusal: str | None


class RegisteredTenant(NamedTuple):
    """A tenant as a cluster's register has it."""

    tenant_id: str
    control_plane_id: str
    job_id: str | None
    project_id: str | None
    state: str

    @property
    def holder(self) -> str:
        """The holder, for display."""
        job = f"job {self.job_id}" if self.job_id is not None else "no job"
        project = f" for project {self.project_id}" if self.project_id is not None else ""
        return f"{job}{project} of control plane {self.control_plane_id}"


class Known(NamedTuple):
    """What the control plane says: its id, the room on this cluster, and a look at all its tenants."""

    control_plane_id: str
    room: int
    find_tenants: Callable[[], list[KnownTenant]]


class _Admin(NamedTuple):
    name: str
    is_superuser: bool
    may_create: bool
    version: int
    is_durable: bool
    postgres_is_open: bool
    register_owner: str | None
    register_is_open: bool | None


class _Role(NamedTuple):
    role: str


class _Creator(NamedTuple):
    name: str
    is_usable: bool


class _Database(NamedTuple):
    name: str


def credentials(secret_id: str) -> dict[str, Any]:
    """Return the database credentials in a secret. Raise Misconfigured if some are missing, and what reading raises."""
    return secrets.read(secret_id, CREDENTIALS)


def registered_tenants(session: Connection) -> list[RegisteredTenant]:
    """Return every tenant in a register, over a session in its database. Raise psycopg2.Error."""
    return sessions.fetch(session, RegisteredTenant, QUERIES["find_registered"])


def examine_cluster(cluster: Cluster, known: Known) -> Iterator[Finding]:
    """Yield whether the admin can connect and may do what the stages do, and what only one of the three sides knows.

    Raise psycopg2.Error and ProvisioningError.
    """
    subject, where = f"cluster {cluster.cluster_id}", f"{cluster.host}:{cluster.port}"
    dbname = secrets.read(cluster.admin_secret_id, LOGIN).get("dbname", "postgres")
    shared = {"shared_roles": list(creators.SHARED_ROLES)}
    before = known.find_tenants()
    with closing(sessions.connect(cluster, dbname)) as session:
        (admin,) = sessions.fetch(session, _Admin, QUERIES["find_admin"], register=sessions.REGISTER)
        withheld = [row.role for row in sessions.fetch(session, _Role, QUERIES["find_withheld_roles"], **shared)]
        databases = [row.name for row in sessions.fetch(session, _Database, QUERIES["find_tenant_databases"])]
    yield from (Finding(subject, *fact) for fact in _facts_of_admin(cluster, admin, withheld))
    registered: list[RegisteredTenant] = []
    if admin.register_owner == admin.name:
        with closing(sessions.connect(cluster)) as session:
            try:
                registered = registered_tenants(session)
                made = sessions.fetch(session, _Creator, QUERIES["find_creators"], **shared)
            except (errors.UndefinedTable, errors.InsufficientPrivilege):
                yield Finding(subject, f"{admin.name} finds no tables in the register", PREPARE)
            else:
                usable = sum(creator.is_usable for creator in made)
                wanted = max(len(made), preparation.FIRST_CREATORS) if admin.version >= 16 else 0
                if usable < wanted:
                    fact = f"{admin.name} can use {usable} of {wanted} creators of tenants' roles"
                    yield Finding(subject, fact, PREPARE)
    yield from (Finding(subject, *fact) for fact in _facts_of_tenants(cluster, known, before, registered, databases))
    if known.room <= 0:
        yield Finding(subject, f"all {cluster.capacity} places are taken", "add a cluster, or raise its capacity")
    others = sum(one.control_plane_id != known.control_plane_id for one in registered)
    shared_with = f"; {others} tenants of other control planes" if others else ""
    room = f"room for {max(known.room, 0)} of {cluster.capacity} databases"
    yield Finding(subject, f"reached on {where} as {admin.name}, {room}{shared_with}")


def _facts_of_admin(cluster: Cluster, admin: _Admin, withheld: Sequence[str]) -> Iterator[tuple[str, str]]:
    name = admin.name
    if not admin.is_durable:
        yield f"the server on {cluster.host}:{cluster.port} runs with fsync off", SET_FSYNC
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
    elif admin.register_is_open:
        yield f"every tenant's login may connect to the database {sessions.REGISTER}", PREPARE
    if admin.postgres_is_open:
        remedy = "REVOKE ALL ON DATABASE postgres FROM PUBLIC, as its owner"
        yield "every tenant's login may connect to the database postgres", remedy
    if str(admin.version) != cluster.version:
        remedy = "run provision cluster add for it again, which records the server's version"
        yield f"the server is PostgreSQL {admin.version}, registered as {cluster.version}", remedy


def _facts_of_tenants(
    cluster: Cluster,
    known: Known,
    before: Sequence[KnownTenant],
    registered: Sequence[RegisteredTenant],
    databases: Sequence[str],
) -> Iterator[tuple[str, str]]:
    # A tenant's row exists before and after its database, so rows are read before and after the databases.
    after = known.find_tenants()
    register = {one.tenant_id: one for one in registered}
    for one in (one for one in after if one.cluster_id == cluster.cluster_id):
        if one.state == "disputed":
            holder = register[one.tenant_id].holder if one.tenant_id in register else "nobody"
            yield (
                f"tenant {one.tenant_id} is disputed: the register gives it to {holder}",
                f"leave it as it is; {RESTORE}",
            )
        if one.is_overdue:
            remedy = "check that the function Reconcile is invoked, and read its log"
            yield f"tenant {one.tenant_id} is being removed and overdue for its look", remedy
        if one.refusal is not None:
            remedy = "correct what it names; Reconcile then finishes the removal"
            yield f"tenant {one.tenant_id} cannot be removed: {one.refusal}", remedy
    both = {one.tenant_id for one in before if one.has_database}
    made = [one for one in after if one.tenant_id in both and one.has_database and one.cluster_id == cluster.cluster_id]
    lost = [name for name in (TenantNames(one.tenant_id).database for one in made) if name not in set(databases)]
    if lost:
        yield f"{', '.join(lost)} is not there", RESTORE
    names = {TenantNames(one.tenant_id).database for one in (*before, *after)}
    held = {TenantNames(one.tenant_id).database: one for one in registered}
    unknown = [
        f"{name} ({held[name].holder})" if name in held else name
        for name in databases
        if name not in names and (name not in held or held[name].control_plane_id == known.control_plane_id)
    ]
    if unknown:
        yield f"{', '.join(unknown)} is unknown to the control plane", RESTORE
