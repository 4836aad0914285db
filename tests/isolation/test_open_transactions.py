"""A tenant's open transaction, whatever it locks, delays no claim from the pool; its locks affect nobody else's."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.bootstrap import ADMIN, CONTROL_PLANE_OWNER
from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.identity import TenantNames
from stages.activation import finalize
from stages.database import create_database
from tests.conftest import NewProject
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query
from tests.stages.jobs import lambda_environment, open_job, refilled

STATEMENTS = (
    "ALTER ROLE CURRENT_USER IN DATABASE {pooled} SET work_mem = '4MB'",
    "SET ROLE NONE; ALTER ROLE SESSION_USER IN DATABASE {pooled} SET work_mem = '4MB'",
    "ALTER ROLE CURRENT_USER IN DATABASE {pooled} RESET ALL",
    "ALTER ROLE CURRENT_USER IN DATABASE {register} SET work_mem = '4MB'",
    "ALTER ROLE CURRENT_USER IN DATABASE template0 SET work_mem = '4MB'",
    "ALTER ROLE CURRENT_USER SET work_mem = '4MB'",
    "ALTER DATABASE {own} SET work_mem = '4MB'",
    "COMMENT ON DATABASE {own} IS 'mine'",
    "GRANT SELECT ON tenant.users TO {pooled_login}, {pooled_owner}, anon, {admin}",
    "GRANT CONNECT ON DATABASE {own} TO {pooled_login}, {pooled_owner}, anon, {admin}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {pooled_login}, {pooled_owner}, anon, {admin}",
    "CREATE POLICY theirs ON tenant.users TO {pooled_login}, {pooled_owner}, anon, {admin}",
    "LOCK TABLE pg_database, pg_roles, pg_db_role_setting, pg_shdescription, pg_auth_members IN ACCESS SHARE MODE",
)
LOCK_TIMEOUT = sql.SQL("ALTER ROLE {} {}")


@pytest.fixture(scope="module", autouse=True)
def impatient(stack: Stack) -> Iterator[None]:
    """Sessions of the platform that would rather fail than wait for a lock."""
    for role in (ADMIN, CONTROL_PLANE_OWNER):
        execute(stack, LOCK_TIMEOUT.format(sql.Identifier(role), sql.SQL("SET lock_timeout = '50ms'")))
    with lambda_environment():
        yield
    for role in (ADMIN, CONTROL_PLANE_OWNER):
        execute(stack, LOCK_TIMEOUT.format(sql.Identifier(role), sql.SQL("RESET lock_timeout")))


@pytest.fixture
def transaction(attacker: Tenant) -> Iterator[Connection]:
    """A session of the attacker's whose statements open a transaction that nobody ends."""
    with closing(attacker.connect()) as connection:
        connection.autocommit = False
        yield connection
        connection.rollback()


@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_open_transaction_of_a_tenant_delays_a_claim_from_the_pool(
    stack: Stack, attacker: Tenant, transaction: Connection, new_project: NewProject, statement: str
) -> None:
    with refilled(stack):
        ((pooled,),) = execute(
            stack, "SELECT tenant_id FROM control_plane.tenants WHERE state = 'ready'", "control_plane"
        )
        named = {
            "pooled": TenantNames(pooled).database,
            "pooled_login": TenantNames(pooled).login_role,
            "pooled_owner": TenantNames(pooled).owner_role,
            "own": attacker.names.database,
            "register": REGISTER,
            "admin": ADMIN,
        }
        identifiers = {name: sql.Identifier(value) for name, value in named.items()}
        query(transaction, sql.SQL(statement).format(**identifiers))
        job = open_job(new_project())
        job.run_until(finalize)
        assert job.tenant_id == pooled
        assert transaction.info.transaction_status == TRANSACTION_STATUS_INTRANS
        assert query(transaction, "SELECT 1") == [(1,)]


def test_the_locks_of_the_register_are_out_of_a_tenants_reach(
    attacker: Tenant, session: Connection, new_project: NewProject
) -> None:
    """A lock's key derives from a tenant_id, which every login can read; but advisory locks are per database."""
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        attacker.connect(REGISTER)
    job = open_job(new_project())
    keys = [str(job.tenant_id), f"{job.job_id}/creating_database"]
    query(session, "SELECT pg_advisory_lock(hashtextextended(key, 0)) FROM unnest(%s) AS key", keys)
    job.run(create_database)
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
    assert query(session, held) == [(len(keys),)]
