"""A tenant that refers to another's roles delays their removal only until the reference is removed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest

from local.stack import Stack
from stages.database import drop_database
from tests.executions.running import execute
from tests.isolation.attackers import version_of
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming, privileges
from tests.isolation.test_blocked_removals import logged_in
from tests.stages.jobs import StagedJob

PINS = (
    "GRANT SELECT ON tenant.users TO {login}",
    "GRANT SELECT (email) ON tenant.users TO {owner}",
    "GRANT CONNECT ON DATABASE {own} TO {login}, {owner}",
    "GRANT USAGE ON SCHEMA public TO {login}",
    "GRANT ALL ON ALL TABLES IN SCHEMA tenant TO {owner} WITH GRANT OPTION",
    "GRANT SELECT ON LARGE OBJECT 4711 TO {login}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {login}",
    "CREATE POLICY theirs ON tenant.users TO {login}",
    "SET ROLE service_role; GRANT USAGE ON SCHEMA of_service_role TO {login}; RESET ROLE",
    "SET ROLE anon; GRANT SELECT ON tenant.audit_log TO {login}; RESET ROLE",
    "SET ROLE authenticated; GRANT SELECT ON tenant.audit_log TO {owner}; RESET ROLE",
    "SET ROLE NONE; GRANT USAGE ON SCHEMA of_the_login TO {login}; RESET ROLE",
    "SET ROLE pg_database_owner; GRANT USAGE ON SCHEMA public TO {login}; RESET ROLE",
)
# Before 16 the admin cannot become pg_database_owner, which owns public and grants in its own name, and the admin,
# which has the privileges of all three shared roles, revokes in the name of one.
NOT_BEFORE_16 = (PINS[3], PINS[10], PINS[12])
PREPARATION = (
    "SELECT lo_create(4711)",
    "GRANT SELECT ON LARGE OBJECT 4711 TO anon",
    "GRANT CREATE ON DATABASE {own} TO service_role, {own_login}",
    "SET ROLE service_role; CREATE SCHEMA of_service_role; GRANT USAGE ON SCHEMA of_service_role TO anon; RESET ROLE",
    "SET ROLE NONE; CREATE SCHEMA of_the_login; GRANT USAGE ON SCHEMA of_the_login TO anon; RESET ROLE",
    "GRANT SELECT ON tenant.audit_log TO anon, authenticated, {accomplice} WITH GRANT OPTION",
    "GRANT USAGE ON SCHEMA tenant TO {accomplice}",
    "GRANT CONNECT ON DATABASE {own} TO {accomplice}",
)
CLOSED = (
    "REVOKE CONNECT ON DATABASE {own} FROM {admin}",
    "ALTER DATABASE {own} CONNECTION LIMIT 0",
    "ALTER DATABASE {own} CONNECTION LIMIT 0; REVOKE CONNECT ON DATABASE {own} FROM {admin}",
    "ALTER DATABASE {own} SET default_transaction_read_only = on",
)


@pytest.fixture(scope="module", autouse=True)
def prepared(attacker: Tenant, victim: Tenant) -> None:
    """The attacker's database, in which everybody may grant something, and its accomplice may connect."""
    with closing(attacker.connect()) as session:
        for statement in PREPARATION:
            query(session, naming(statement, attacker.names, attacker.names, victim.names))


@pytest.mark.parametrize("pin", PINS)
def test_what_names_a_role_that_is_dropped_goes_and_nothing_else_does(
    stack: Stack, attacker: Tenant, leaving: StagedJob, pin: str
) -> None:
    if version_of(stack) < 16 and pin in NOT_BEFORE_16:
        pytest.skip("what the admin can revoke before PostgreSQL 16 is less")
    before = privileges(stack, attacker.names)
    with closing(attacker.connect()) as bystander, closing(attacker.connect()) as session:
        query(session, naming(pin, attacker.names, leaving.names))
        assert privileges(stack, attacker.names) != before
        assert leaving.names.database in leaving.run(drop_database)["removed"]
        assert query(bystander, "SELECT 1") == query(session, "SELECT 1") == [(1,)]
    assert left_of(stack, leaving) == []
    assert privileges(stack, attacker.names) == before


def test_two_tenants_cannot_hold_up_the_removal_of_a_third(
    stack: Stack, attacker: Tenant, victim: Tenant, leaving: StagedJob
) -> None:
    """One lets the other into its database, to grant there what was granted to it; both grant in their own."""
    if version_of(stack) < 16:
        pytest.skip("the admin, which has the privileges of all three shared roles, revokes in the name of one")
    databases = attacker.names, victim.names
    before = [privileges(stack, names) for names in databases]
    with closing(victim.connect(attacker.names.database)) as guest, closing(victim.connect()) as session:
        query(guest, naming("GRANT SELECT ON tenant.audit_log TO {login}", victim.names, leaving.names))
        query(session, naming("GRANT SELECT ON tenant.users TO {login}, {owner}", victim.names, leaving.names))
        leaving.run(drop_database)
    assert left_of(stack, leaving) == []
    assert [privileges(stack, names) for names in databases] == before


def test_a_policy_for_several_roles_stays_for_the_others(stack: Stack, attacker: Tenant, leaving: StagedJob) -> None:
    with closing(attacker.connect()) as session:
        query(session, naming("CREATE POLICY shared ON tenant.users TO anon, {login}", attacker.names, leaving.names))
        leaving.run(drop_database)
        assert query(session, "SELECT polroles::regrole[]::text FROM pg_policy WHERE polname = 'shared'") == [
            ("{anon}",)
        ]
        query(session, "DROP POLICY shared ON tenant.users")
    assert left_of(stack, leaving) == []


def test_what_a_removed_role_has_granted_by_its_grant_option_goes_with_it(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    """PostgreSQL keeps no grant whose grantor has lost the option."""
    before = privileges(stack, attacker.names)
    with closing(attacker.connect()) as session:
        for statement in (
            "GRANT CONNECT ON DATABASE {own} TO {login}",
            "GRANT USAGE ON SCHEMA tenant TO {login}",
            "GRANT SELECT ON tenant.users TO {login} WITH GRANT OPTION",
        ):
            query(session, naming(statement, attacker.names, leaving.names))
    with closing(logged_in(leaving, attacker.names.database)) as guest:
        query(guest, "GRANT SELECT ON tenant.users TO anon")
        guest.commit()
    granted = f"anon=r/{leaving.names.login_role}"
    assert any(granted in (acl or "") for _, acl in privileges(stack, attacker.names))
    leaving.run(drop_database)
    assert privileges(stack, attacker.names) == before


@contextmanager
def closed(stack: Stack, attacker: Tenant, statements: str) -> Iterator[None]:
    """The attacker's database, which refuses the admin's connections."""
    reopened = (
        "ALTER DATABASE {own} CONNECTION LIMIT 60; ALTER DATABASE {own} RESET ALL;"
        " GRANT CONNECT ON DATABASE {own} TO {admin}; ALTER DATABASE {own} ALLOW_CONNECTIONS true"
    )
    with closing(attacker.connect()) as session:
        for statement in statements.split("; "):
            query(session, naming(statement, attacker.names, attacker.names))
    try:
        yield
    finally:
        for statement in reopened.split("; "):
            execute(stack, naming(statement, attacker.names, attacker.names))


@pytest.mark.parametrize("statements", CLOSED)
def test_a_database_that_its_owner_has_closed_to_the_admin_is_entered_and_closed_again(
    stack: Stack, attacker: Tenant, leaving: StagedJob, statements: str
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, statements):
        before = privileges(stack, attacker.names)
        query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
        leaving.run(drop_database)
        assert query(session, "SELECT 1") == [(1,)]
        assert privileges(stack, attacker.names) == before
    assert left_of(stack, leaving) == []


def test_a_database_that_allows_no_connections_is_entered_and_closed_again(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session:
        query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
    execute(stack, naming("ALTER DATABASE {own} ALLOW_CONNECTIONS false", attacker.names, leaving.names))
    leaving.run(drop_database)
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting connections"):
        attacker.connect()
    execute(stack, naming("ALTER DATABASE {own} ALLOW_CONNECTIONS true", attacker.names, leaving.names))
    assert left_of(stack, leaving) == []
