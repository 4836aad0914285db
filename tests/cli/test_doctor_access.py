"""provision doctor compares what a tenant may do with its state, and what it prints mends it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg2 import sql

from cli import doctor
from cli.findings import Finding
from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.identity import TenantNames
from tests.cli.examining import pooled
from tests.cli.mending import mend
from tests.conftest import NewProject
from tests.executions.running import execute
from tests.stages.jobs import lambda_environment
from tests.stages.suspending import Tenant, live_tenant

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tenant(stack: Stack, new_project: NewProject) -> Iterator[Tenant]:
    with lambda_environment():
        yield live_tenant(stack, new_project())


def found(tenant_id: str) -> list[Finding]:
    """What is to be corrected about one tenant."""
    return [one for one in doctor.examine() if one.remedy and tenant_id in one.fact]


def changed(stack: Stack, tenant: Tenant, statement: str, dbname: str = "postgres") -> None:
    names = {"d": tenant.names.database, "o": tenant.names.owner_role, "l": tenant.names.login_role}
    known = {key: sql.Identifier(name) for key, name in names.items()} | {"t": sql.Literal(tenant.names.tenant_id)}
    execute(stack, sql.SQL(statement).format(**known), dbname)


CLOSED = {
    "ALTER ROLE {l} NOLOGIN": "its login cannot log in",
    "ALTER ROLE {l} VALID UNTIL '2020-01-01'": "its login cannot log in",
    "ALTER ROLE {l} CONNECTION LIMIT 0": "its login cannot log in",
    "ALTER DATABASE {d} ALLOW_CONNECTIONS false": "the database allows no connections",
    "ALTER DATABASE {d} CONNECTION LIMIT 0": "the database's connection limit is 0",
    "SET ROLE {o}; REVOKE CONNECT ON DATABASE {d} FROM {l}": "its login may not connect",
    "REVOKE {o} FROM {l}": "its login may not connect, its login is no member of the owner role",
}


@pytest.mark.parametrize(("statement", "why"), CLOSED.items(), ids=CLOSED)
def test_an_active_tenant_whose_login_is_shut_out(stack: Stack, tenant: Tenant, statement: str, why: str) -> None:
    if "REVOKE {o}" in statement:
        why = why.removeprefix("its login may not connect, ")
        statement = "SET ROLE {c}; REVOKE {o} FROM {l}".replace("{c}", creator_of(stack, tenant))
    changed(stack, tenant, statement)
    (told,) = found(tenant.names.tenant_id)
    assert told.fact == f"tenant {tenant.names.tenant_id} is active, but {why}"
    mend(stack, told)
    assert found(tenant.names.tenant_id) == []
    assert tenant.run("SELECT current_user::text") == [(tenant.names.owner_role,)]


def creator_of(stack: Stack, tenant: Tenant) -> str:
    asked = sql.SQL("SELECT member::regrole::text FROM pg_auth_members WHERE roleid = {}::regrole AND admin_option")
    ((name,),) = execute(stack, asked.format(sql.Literal(tenant.names.owner_role)))
    return str(name)


OPEN = {
    "ALTER ROLE {l} LOGIN": "its login can log in",
    "SET ROLE {o}; GRANT CONNECT ON DATABASE {d} TO PUBLIC": "PUBLIC may connect",
    'SET ROLE {o}; GRANT CONNECT ON DATABASE {d} TO "Somebody.Else"': '"Somebody.Else" may connect',
    'SET ROLE {o}; GRANT CONNECT ON DATABASE {d} TO "Two  spaces"': '"Two  spaces" may connect',
}


@pytest.fixture
def somebody(stack: Stack) -> Iterator[None]:
    execute(stack, 'CREATE ROLE "Somebody.Else"; CREATE ROLE "Two  spaces"')
    yield
    execute(stack, 'DROP ROLE "Somebody.Else", "Two  spaces"')


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize(("statement", "why"), OPEN.items(), ids=OPEN)
def test_a_suspended_tenant_that_lets_somebody_in(stack: Stack, tenant: Tenant, statement: str, why: str) -> None:
    tenant.suspend()
    closed = tenant.catalogs()
    assert found(tenant.names.tenant_id) == []
    changed(stack, tenant, statement)
    (told,) = found(tenant.names.tenant_id)
    assert told.fact == f"tenant {tenant.names.tenant_id} is suspended, but {why}"
    mend(stack, told)
    assert found(tenant.names.tenant_id) == []
    assert tenant.catalogs() == closed
    tenant.resume()
    assert found(tenant.names.tenant_id) == []


def test_a_live_tenant_that_the_register_does_not_know(stack: Stack, tenant: Tenant) -> None:
    row = "SELECT control_plane_id, job_id, project_id, state FROM register.tenants WHERE tenant_id = {t}"
    row = row.replace("{t}", f"'{tenant.names.tenant_id}'")
    before = execute(stack, row, REGISTER)
    changed(stack, tenant, "DELETE FROM register.tenants WHERE tenant_id = {t}", REGISTER)
    (told,) = found(tenant.names.tenant_id)
    assert told.fact.endswith("is active, but it is not in the register")
    mend(stack, told)
    assert execute(stack, row, REGISTER) == before
    assert found(tenant.names.tenant_id) == []


def test_a_live_tenant_that_the_register_has_in_another_state(stack: Stack, tenant: Tenant) -> None:
    changed(stack, tenant, "UPDATE register.tenants SET state = 'suspended' WHERE tenant_id = {t}", REGISTER)
    (told,) = found(tenant.names.tenant_id)
    assert told.fact.endswith("is active, but the register has it as suspended")
    mend(stack, told)
    assert found(tenant.names.tenant_id) == []


@contextmanager
def comments(stack: Stack, *names: str) -> Iterator[None]:
    """Comments that say of objects that they are somebody else's."""
    for kind, name in zip(("DATABASE", "ROLE"), names, strict=True):
        execute(stack, sql.SQL("COMMENT ON {} {} IS 'gone'").format(sql.SQL(kind), sql.Identifier(name)))
    yield
    for kind, name in zip(("DATABASE", "ROLE"), names, strict=True):
        execute(stack, sql.SQL("COMMENT ON {} {} IS NULL").format(sql.SQL(kind), sql.Identifier(name)))


def test_a_comment_on_a_tenants_objects_says_nothing_to_doctor(stack: Stack, tenant: Tenant) -> None:
    with comments(stack, tenant.names.database, tenant.names.login_role):
        assert found(tenant.names.tenant_id) == []


def test_a_tenant_of_the_pool_that_has_lost_something_is_replaced_by_upkeep(stack: Stack) -> None:
    with pooled(stack) as tenant_id:
        execute(stack, sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(TenantNames(tenant_id).login_role)))
        (told,) = found(tenant_id)
        assert told.fact == f"tenant {tenant_id} is ready, but its login cannot log in"
        assert told.remedy.startswith("RefillPools replaces it")
    assert found(tenant_id) == []


def test_no_finding_is_made_of_what_a_job_is_changing(stack: Stack, tenant: Tenant) -> None:
    changed(stack, tenant, "ALTER ROLE {l} NOLOGIN")
    with running(stack, tenant):
        assert found(tenant.names.tenant_id) == []
    changed(stack, tenant, "ALTER ROLE {l} LOGIN")


@contextmanager
def running(stack: Stack, tenant: Tenant) -> Iterator[None]:
    """A job of the tenant's project that is running."""
    made = sql.SQL(
        "INSERT INTO control_plane.jobs (job_id, job_type, project_id, status)"
        " VALUES ('job-of-doctor', 'suspend_project', {}, 'running')"
    )
    execute(stack, made.format(sql.Literal(tenant.project_id)), "control_plane")
    yield
    execute(stack, "DELETE FROM control_plane.jobs WHERE job_id = 'job-of-doctor'", "control_plane")
