"""No open or prepared transaction, and nothing that an owner does to its own database, delays a removal for long."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.cluster import session as sessions
from provisioning.errors import RollbackFailed
from provisioning.identity import TenantNames
from stages.database import drop_database
from stages.schema import create_schema
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming, privileges
from tests.stages.jobs import StagedJob

OF_ANOTHER = (
    "ALTER ROLE CURRENT_USER IN DATABASE {database} SET work_mem = '4MB'",
    "SET ROLE NONE; ALTER ROLE SESSION_USER IN DATABASE {database} SET work_mem = '4MB'",
    "GRANT SELECT ON tenant.users TO {login}",
    "GRANT CONNECT ON DATABASE {own} TO {owner}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {login}",
    "CREATE POLICY theirs ON tenant.users TO {owner}",
    "LOCK TABLE pg_database, pg_roles, pg_db_role_setting, pg_shdescription, pg_auth_members IN ACCESS SHARE MODE",
)
OF_ITS_OWN = (
    "COMMENT ON DATABASE {own} IS 'mine'",
    "ALTER DATABASE {own} CONNECTION LIMIT 7",
    "ALTER DATABASE {own} SET work_mem = '4MB'",
    "ALTER DATABASE {own} IS_TEMPLATE true",
    "GRANT CONNECT ON DATABASE {own} TO PUBLIC",
    "ALTER ROLE CURRENT_USER SET work_mem = '4MB'",
    "SET ROLE NONE; ALTER ROLE SESSION_USER PASSWORD 'another'",
    "ALTER ROLE CURRENT_USER IN DATABASE {own} SET work_mem = '4MB'",
    "SELECT lo_create(0)",
)
CHANGES = (
    "ALTER DATABASE {own} IS_TEMPLATE true",
    "COMMENT ON DATABASE {own} IS 'not yours'",
    "COMMENT ON DATABASE {own} IS NULL",
    "REVOKE CONNECT ON DATABASE {own} FROM {admin}, {login}, PUBLIC",
    "REVOKE ALL ON DATABASE {own} FROM {owner}",
    "ALTER DATABASE {own} CONNECTION LIMIT 0",
    "SELECT lo_create(0)",
    "ALTER DATABASE {own} SET default_transaction_read_only = on",
    "ALTER DATABASE {own} SET statement_timeout = '1ms'",
    "ALTER DATABASE {own} SET lock_timeout = '1ms'",
    "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on",
    "GRANT ALL ON DATABASE {own} TO anon WITH GRANT OPTION",
    "SET ROLE NONE; ALTER ROLE CURRENT_USER PASSWORD 'another'",
)
REFUSED = (
    "ALTER DATABASE {own} RENAME TO another",
    "ALTER DATABASE {own} OWNER TO anon",
    "SET ROLE NONE; ALTER DATABASE {own} OWNER TO {own_login}",
    "ALTER DATABASE {own} SET TABLESPACE pg_default",
    "ALTER DATABASE {own} SET session_preload_libraries = 'nothing'",
    "ALTER DATABASE {own} SET log_statement = 'none'",
    "ALTER DATABASE {own} ALLOW_CONNECTIONS false",
    "REASSIGN OWNED BY CURRENT_USER TO anon",
    "GRANT {owner} TO anon",
    "ALTER ROLE {own_login} RENAME TO another",
    "DROP ROLE {owner}",
    "CREATE SUBSCRIPTION theirs CONNECTION 'dbname=postgres' PUBLICATION theirs WITH (connect = false)",
    "SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')",
    "SELECT pg_create_physical_replication_slot('theirs')",
    "SECURITY LABEL ON DATABASE {own} IS 'mine'",
    "UPDATE pg_database SET datistemplate = true",
)
"""What no owner can do to its own database or roles, whether or not it could hold up a removal."""


@contextmanager
def left_open(session: Connection, statement: str, own: TenantNames, other: TenantNames) -> Iterator[None]:
    """A transaction with this statement, which nobody ends."""
    session.autocommit = False
    query(session, naming(statement, own, other))
    yield
    assert session.closed or session.info.transaction_status in (TRANSACTION_STATUS_INTRANS, 4)


@pytest.fixture
def owner(leaving: StagedJob) -> Iterator[Connection]:
    """A session of the tenant that is about to be removed, whose owner may do what it likes."""
    leaving.run(create_schema)
    with closing(logged_in(leaving)) as session:
        session.autocommit = True
        yield session


def logged_in(job: StagedJob, database: str | None = None) -> Connection:
    """A session of the job's tenant, in its own database or in another."""
    document = secrets.read(job.names.secret)
    return psycopg2.connect(
        host=document["host"],
        port=document["port"],
        dbname=database or document["dbname"],
        user=document["username"],
        password=document["password"],
    )


def is_gone(stack: Stack, job: StagedJob) -> bool:
    """Whether nothing of the tenant is on the cluster, prepared transactions included."""
    return left_of(stack, job) == [] == execute(stack, "SELECT gid FROM pg_prepared_xacts")


@pytest.mark.parametrize("statement", OF_ANOTHER)
def test_no_open_transaction_of_another_tenant_delays_a_removal(
    stack: Stack, attacker: Tenant, leaving: StagedJob, statement: str
) -> None:
    before = privileges(stack, attacker.names)
    with (
        closing(attacker.connect()) as bystander,
        closing(attacker.connect()) as session,
        left_open(session, statement, attacker.names, leaving.names),
    ):
        assert leaving.names.database in leaving.run(drop_database)["removed"]
        assert query(bystander, "SELECT 1") == [(1,)]
    assert is_gone(stack, leaving)
    assert privileges(stack, attacker.names) == before


def test_a_lock_on_what_has_to_be_revoked_delays_no_removal(stack: Stack, attacker: Tenant, leaving: StagedJob) -> None:
    with closing(attacker.connect()) as bystander, closing(attacker.connect()) as session:
        query(bystander, naming("CREATE POLICY theirs ON tenant.users TO {login}", attacker.names, leaving.names))
        with left_open(session, "LOCK TABLE tenant.users", attacker.names, leaving.names):
            leaving.run(drop_database)
        assert query(bystander, "SELECT 1") == [(1,)]
    assert is_gone(stack, leaving)


@pytest.mark.parametrize("statement", OF_ANOTHER[:3])
def test_no_prepared_transaction_of_another_tenant_delays_a_removal(
    stack: Stack, attacker: Tenant, leaving: StagedJob, statement: str
) -> None:
    with closing(attacker.connect()) as session:
        query(session, "BEGIN")
        query(session, naming(statement, attacker.names, leaving.names))
        query(session, "PREPARE TRANSACTION 'theirs'")
        leaving.run(drop_database)
        assert query(session, "SELECT 1") == [(1,)]
    assert is_gone(stack, leaving)


@pytest.mark.parametrize("statement", OF_ITS_OWN)
def test_no_open_transaction_of_its_own_delays_a_removal(
    stack: Stack, leaving: StagedJob, owner: Connection, statement: str
) -> None:
    with left_open(owner, statement, leaving.names, leaving.names):
        assert leaving.names.database in leaving.run(drop_database)["removed"]
    assert is_gone(stack, leaving)


@pytest.mark.parametrize("statement", OF_ITS_OWN)
def test_no_prepared_transaction_of_its_own_delays_a_removal(
    stack: Stack, leaving: StagedJob, owner: Connection, statement: str
) -> None:
    query(owner, "BEGIN")
    query(owner, naming(statement, leaving.names, leaving.names))
    query(owner, "PREPARE TRANSACTION 'left'")
    assert leaving.names.database in leaving.run(drop_database)["removed"]
    assert is_gone(stack, leaving)


@pytest.mark.parametrize("statement", CHANGES)
def test_nothing_that_an_owner_does_to_its_database_keeps_it_from_being_removed(
    stack: Stack, leaving: StagedJob, owner: Connection, statement: str
) -> None:
    query(owner, naming(statement, leaving.names, leaving.names))
    assert leaving.names.database in leaving.run(drop_database)["removed"]
    assert is_gone(stack, leaving)


@pytest.mark.parametrize("statement", REFUSED)
def test_what_no_owner_can_do_to_its_database(
    attacker: Tenant, victim: Tenant, session: Connection, statement: str
) -> None:
    with pytest.raises(psycopg2.Error) as refused:
        query(session, naming(statement, attacker.names, victim.names))
    assert refused.value.pgcode in {"42501", "55000", "55006", "22023", "0A000"}, refused.value


def test_a_tenant_that_was_let_in_and_stays_delays_no_removal(
    stack: Stack, attacker: Tenant, leaving: StagedJob, owner: Connection
) -> None:
    query(owner, naming("GRANT CONNECT ON DATABASE {own} TO {login}", leaving.names, attacker.names))
    with ExitStack() as guests:
        inside = [guests.enter_context(closing(attacker.connect(leaving.names.database))) for _ in range(3)]
        own = guests.enter_context(closing(attacker.connect()))
        leaving.run(drop_database)
        assert query(own, "SELECT 1") == [(1,)]
        for guest in inside:
            with pytest.raises(psycopg2.OperationalError):
                query(guest, "SELECT 1")
    assert is_gone(stack, leaving)


def test_a_prepared_transaction_of_its_login_in_another_database_goes_too(
    stack: Stack, attacker: Tenant, leaving: StagedJob, owner: Connection
) -> None:
    """Only a superuser could end that of a dropped role, and until then it would hold back every vacuum."""
    with closing(attacker.connect()) as session:
        query(session, naming("GRANT CONNECT ON DATABASE {own} TO {login}", attacker.names, leaving.names))
    with closing(logged_in(leaving, attacker.names.database)) as guest:
        query(guest, "SELECT txid_current()")
        query(guest, "PREPARE TRANSACTION 'elsewhere'")
        leaving.run(drop_database)
    assert is_gone(stack, leaving)


def test_a_prepared_change_of_a_database_that_refuses_the_admin_is_named(
    stack: Stack, leaving: StagedJob, owner: Connection
) -> None:
    """Only a superuser can enter such a database, and nobody can open it while its row is locked."""
    query(owner, naming("ALTER DATABASE {own} CONNECTION LIMIT 0", leaving.names, leaving.names))
    query(owner, "BEGIN")
    query(owner, naming("ALTER DATABASE {own} CONNECTION LIMIT 9", leaving.names, leaving.names))
    query(owner, "PREPARE TRANSACTION 'it stays'")
    with patch.object(sessions, "STATEMENT_TIMEOUT_SECONDS", 0), pytest.raises(RollbackFailed, match="it stays"):
        leaving.run(drop_database)
    assert [can_log_in for _, can_log_in, _, _ in left_of(stack, leaving)] == [False, False]
    execute(stack, "ROLLBACK PREPARED 'it stays'", leaving.names.database)
    leaving.run(drop_database)
    assert is_gone(stack, leaving)
