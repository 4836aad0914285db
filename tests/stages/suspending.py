"""A provisioned tenant that a test suspends and resumes, stage by stage, and the catalogs that show its state."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning import control_plane
from provisioning.aws import secrets
from provisioning.cluster import creators, repair
from provisioning.identity import TenantNames
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.ledger.runner import Output
from stages.access import restore_access, suspend_access
from stages.activation import finalize
from stages.services import resume_services, suspend_services
from tests.stages.jobs import Handler, StagedJob, execute, open_job

SUSPENSION: tuple[Handler, ...] = (suspend_access, suspend_services, finalize)
RESUMPTION: tuple[Handler, ...] = (restore_access, resume_services, finalize)

LET_IN = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}{}")
INSIDE = """
    SELECT pid FROM pg_stat_activity JOIN pg_roles ON usesysid = pg_roles.oid WHERE datname = %s AND NOT rolsuper
"""
CLOSED = "SELECT count(*) FROM pg_roles WHERE rolname = %s AND rolcanlogin"
CATALOGS = (
    """
    SELECT datname, datacl::text, datconnlimit, datallowconn, datistemplate, pg_get_userbyid(datdba),
           shobj_description(oid, 'pg_database')
    FROM pg_database WHERE datname ~ %(tenant)s ORDER BY 1
    """,
    """
    SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
           rolconnlimit, rolpassword, rolvaliduntil
    FROM pg_authid WHERE rolname ~ %(tenant)s ORDER BY 1
    """,
    """
    SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text, admin_option,
           to_jsonb(pg_auth_members) ->> 'inherit_option', to_jsonb(pg_auth_members) ->> 'set_option'
    FROM pg_auth_members WHERE roleid::regrole::text ~ %(tenant)s OR member::regrole::text ~ %(tenant)s ORDER BY 1, 2, 3
    """,
    """
    SELECT setdatabase::text, setrole::regrole::text, setconfig::text
    FROM pg_db_role_setting WHERE setrole::regrole::text ~ %(tenant)s ORDER BY 1, 2
    """,
)


@dataclass(frozen=True)
class Tenant:
    """A live tenant, and its credentials."""

    stack: Stack
    made_by: StagedJob
    names: TenantNames
    document: dict[str, Any]

    @property
    def project_id(self) -> str:
        return self.made_by.project_id

    def connect(self, database: "Tenant | None" = None, **options: Any) -> Connection:
        """Open a session with the issued credentials, in this tenant's own database or in another's."""
        opened: Connection = psycopg2.connect(
            host=self.document["host"],
            port=self.document["port"],
            dbname=(database or self).names.database,
            user=self.document["username"],
            password=self.document["password"],
            **options,
        )
        opened.autocommit = True
        return opened

    def run(self, statement: Any, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement over a session of its own."""
        with closing(self.connect()) as session, session.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def job(self, declared: Declaration, **fields: object) -> StagedJob:
        """Return a job of that type for the project, which is not opened."""
        payload = {"project_id": self.project_id, **fields}
        return StagedJob(f"job-{uuid.uuid4().hex[:12]}", payload, job_type=declared.job_type)

    def suspend(self) -> Output:
        """Suspend the project, stage by stage, and return the result."""
        return self._through(self.job(SUSPEND_PROJECT), SUSPENSION)

    def resume(self) -> Output:
        """Resume the project, stage by stage, and return the result."""
        return self._through(self.job(RESUME_PROJECT), RESUMPTION)

    def catalogs(self) -> list[list[tuple[Any, ...]]]:
        """Return what the server's catalogs say about the tenant, byte for byte."""
        return [catalog(self.stack, statement, self.names.tenant_id) for statement in CATALOGS]

    def registered(self) -> list[tuple[Any, ...]]:
        """Return the tenant's state in its cluster's register, and whether the access to it is being changed."""
        asked = "SELECT state, is_changing FROM register.tenants WHERE tenant_id = %s"
        return execute(self.stack, "provisioner_register", asked, self.names.tenant_id)

    def row(self, table: str, column: str) -> Any:
        """Return a column of the project's, or of the tenant's, row in the control plane."""
        key, value = ("project_id", self.project_id) if table == "projects" else ("tenant_id", self.names.tenant_id)
        names = (sql.Identifier(name) for name in (column, table, key))
        asked = sql.SQL("SELECT {} FROM control_plane.{} WHERE {} = %s").format(*names)
        ((found,),) = execute(self.stack, "control_plane", asked, value)
        return found

    @staticmethod
    def _through(job: StagedJob, handlers: tuple[Handler, ...]) -> Output:
        job.verify()
        return [job.run(handler) for handler in handlers][-1]


def live_tenant(stack: Stack, project_id: str, *services: str) -> Tenant:
    """Provision a project, stage by stage."""
    job = open_job(project_id, *(services or ("auth",)))
    job.run_until(finalize)
    return Tenant(stack, job, job.names, secrets.read(job.names.secret))


def catalog(stack: Stack, statement: str, tenant_id: str) -> list[tuple[Any, ...]]:
    """Return what a catalog says about a tenant, as superuser."""
    with closing(stack.postgres.connect("postgres")) as superuser, superuser.cursor() as cursor:
        cursor.execute(statement, {"tenant": tenant_id})
        return cursor.fetchall()


@contextmanager
def session_of(tenant: Tenant, database: Tenant | None = None, **options: Any) -> Iterator[Connection]:
    """A session that ends with the block, if it has not been ended."""
    with closing(tenant.connect(database, **options)) as session:
        yield session


def is_out(session: Connection) -> bool:
    """Return whether a session was ended."""
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.OperationalError:
        return True
    return False


def let_in(tenant: Tenant, other: Tenant, *, with_option: bool = False) -> None:
    """Let another tenant's login into the database, as its owner."""
    names = sql.Identifier(tenant.names.database), sql.Identifier(other.names.login_role)
    tenant.run(LET_IN.format(*names, sql.SQL(" WITH GRANT OPTION" if with_option else "")))


def inside(tenant: Tenant) -> list[object]:
    """Return the roles with sessions in the tenant's database, except superusers."""
    return [pid for (pid,) in execute(tenant.stack, "postgres", INSIDE, tenant.names.database)]


def opened(tenant: Tenant, job: StagedJob, *handlers: Any) -> StagedJob:
    """The job, opened and taken through these stages."""
    job.verify()
    for handler in handlers:
        job.run(handler)
    return job


@contextmanager
def repeated(action: Callable[[], object], clients: int) -> Iterator[None]:
    """Let that many clients repeat an action; errors of the server stop none of them."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            with suppress(psycopg2.Error):
                action()

    with ThreadPoolExecutor(clients) as threads:
        for _ in range(clients):
            threads.submit(repeat)
        try:
            yield
        finally:
            stop.set()


def roll_back(job: StagedJob, *compensations: Any) -> str:
    """Roll a job back as its state machine does, and return how it was closed."""
    for handler in compensations:
        job.run(handler)
    return str(job.record_failure({"finalizing": {"Error": "FinalizationFailed", "Cause": "{}"}})["outcome"])


def may_log_in(tenant: Tenant) -> bool:
    return bool(execute(tenant.stack, "postgres", CLOSED, tenant.names.login_role)[0][0])


def repair_before_16(one: Tenant) -> None:
    """Repair as Reconcile does: an admin that acts itself does not leave what an attempt that died has joined."""
    ((version,),) = execute(one.stack, "postgres", "SELECT current_setting('server_version_num')::integer")
    if version < creators.SINCE:
        for cluster in control_plane.connect().clusters():
            repair.repair(cluster)
