"""No open or prepared transaction delays a suspension or outlives it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import psycopg2
import pytest
from psycopg2 import sql

from local.bootstrap import ADMIN
from provisioning.cluster import acting
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant import emptying
from stages.access import restore_access, suspend_access
from tests.stages.jobs import Died, execute
from tests.stages.suspending import (
    LET_IN,
    Tenant,
    inside,
    is_out,
    let_in,
    opened,
    repair_before_16,
    repeated,
    session_of,
)

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'CURRENT_USER'"
PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = %s"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE CURRENT_USER PASSWORD 'another'",
        "ALTER DATABASE {database} CONNECTION LIMIT 7",
        "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
        "COMMENT ON DATABASE {database} IS 'mine'",
    ],
)
def test_an_open_transaction_of_the_tenant_is_in_nobodys_way(tenant: Tenant, statement: str) -> None:
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SET ROLE NONE") if "CURRENT_USER" in statement else None
        cursor.execute(sql.SQL(statement).format(database=sql.Identifier(tenant.names.database)))
        tenant.suspend()
        assert is_out(session)


@pytest.mark.parametrize("role", ["the login", "the owner", "anon", "another tenant's login"])
def test_a_prepared_transaction_is_rolled_back_whoever_prepared_it(tenant: Tenant, other: Tenant, role: str) -> None:
    let_in(tenant, other)
    who = other if role.startswith("another") else tenant
    become = {"the login": "SET ROLE NONE", "anon": "SET ROLE anon"}.get(role, "SELECT 1")
    with session_of(who, tenant) as session, session.cursor() as cursor:
        cursor.execute(become)
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        cursor.execute("PREPARE TRANSACTION 'it''s left'")
    assert prepared(tenant) == [("it's left",)]
    assert tenant.suspend()["prepared_transactions"] == 1
    assert prepared(tenant) == []


def test_what_an_owner_grants_after_its_prepared_transaction_is_gone_is_revoked(
    tenant: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The admin may still act as the owner, which has prepared it."""
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        cursor.execute("PREPARE TRANSACTION 'left'")
    real, granted = emptying.roll_back, []

    def grant_afterwards(*arguments: Any) -> None:
        real(*arguments)
        names = sql.Identifier(tenant.names.database), sql.Identifier(other.names.login_role), sql.SQL("")
        granted.append(execute(tenant.stack, "postgres", LET_IN.format(*names)))

    monkeypatch.setattr(emptying, "roll_back", grant_afterwards)
    tenant.suspend()
    assert len(granted) == 1
    with pytest.raises(psycopg2.OperationalError, match="does not have CONNECT privilege"):
        other.connect(tenant)


def test_a_prepared_transaction_that_holds_the_login_is_in_nobodys_way(tenant: Tenant) -> None:
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute("SET ROLE NONE; BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'another'")
        cursor.execute("PREPARE TRANSACTION 'held'")
    assert tenant.suspend()["prepared_transactions"] == 1


SETTING = "SELECT 1 FROM pg_settings WHERE name = %s"


@pytest.mark.parametrize(
    "closed",
    [
        "ALLOW_CONNECTIONS false",
        "CONNECTION LIMIT 0",
        "SET local_preload_libraries = 'nothing'",
        "SET idle_session_timeout = '1ms'",
        "SET transaction_timeout = '1ms'",
        "SET default_transaction_read_only = on",
        "SET role = 'nobody'",
    ],
)
def test_an_owner_that_has_closed_its_database_is_suspended_all_the_same(
    tenant: Tenant, other: Tenant, closed: str
) -> None:
    """It cannot from inside, but from the database of another tenant that lets it in."""
    if "transaction_timeout" in closed and not execute(tenant.stack, "postgres", SETTING, "transaction_timeout"):
        pytest.skip("a server before 17 has no transaction_timeout")
    let_in(other, tenant)
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        cursor.execute("PREPARE TRANSACTION 'left'")
    with session_of(tenant, other) as session, session.cursor() as cursor:
        names = sql.Identifier(tenant.names.owner_role), sql.Identifier(tenant.names.database)
        cursor.execute(sql.SQL("SET ROLE {}; ALTER DATABASE {} {}").format(*names, sql.SQL(closed)))
    before = tenant.catalogs()
    tenant.suspend()
    assert prepared(tenant) == []
    restore_access_of(tenant)
    assert tenant.catalogs() == before


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE CURRENT_USER IN DATABASE {database} SET work_mem = '2MB'",
        "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
    ],
)
def test_an_open_transaction_of_another_tenant_is_in_nobodys_way(tenant: Tenant, other: Tenant, statement: str) -> None:
    """From its own database: a role that may connect but not grant only gets a warning, and still holds the lock."""
    let_in(tenant, other)
    with session_of(other) as session, session.cursor() as cursor:
        cursor.execute("SET ROLE NONE; BEGIN")
        cursor.execute(sql.SQL(statement).format(database=sql.Identifier(tenant.names.database)))
        assert tenant.suspend()["status"] == "suspended"


def test_an_open_transaction_that_holds_up_the_server_itself_is_in_nobodys_way(tenant: Tenant, other: Tenant) -> None:
    """Autovacuum, like any superuser, waits for it ahead of the suspension, and cannot be ended."""
    let_in(tenant, other)
    database = sql.Identifier(tenant.names.database)
    with session_of(other) as session, session.cursor() as cursor, ThreadPoolExecutor(1) as superuser:
        cursor.execute("SET ROLE NONE; BEGIN")
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO PUBLIC").format(database))
        grant = sql.SQL("GRANT CONNECT ON DATABASE {} TO CURRENT_USER").format(database)
        in_front = superuser.submit(execute, tenant.stack, "postgres", grant)
        wait_until(lambda: execute(tenant.stack, "postgres", WAITING))
        assert tenant.suspend()["status"] == "suspended"
        assert in_front.exception() is None


@pytest.mark.parametrize("clients", [2, 6])
def test_clients_that_change_their_own_login_in_a_loop_are_in_nobodys_way(tenant: Tenant, clients: int) -> None:
    def change() -> None:
        with session_of(tenant) as session, session.cursor() as cursor:
            cursor.execute("SET ROLE NONE")
            cursor.execute("BEGIN; ALTER ROLE CURRENT_USER SET work_mem = '2MB'; SELECT pg_sleep(0.2); COMMIT")

    with repeated(change, clients):
        wait_until(lambda: inside(tenant))
        assert tenant.suspend()["status"] == "suspended"


def test_clients_that_fill_the_database_keep_no_admin_from_a_prepared_transaction(tenant: Tenant) -> None:
    """It also locks the login's row, so the login cannot be closed before it is rolled back."""
    with session_of(tenant) as session, session.cursor() as cursor:
        database = sql.Identifier(tenant.names.database)
        cursor.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 2").format(database))
        cursor.execute("SET ROLE NONE; BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'another'")
        cursor.execute("PREPARE TRANSACTION 'held'")

    with repeated(lambda: tenant.run("SELECT pg_sleep(60)"), clients=8):
        wait_until(lambda: inside(tenant))
        assert tenant.suspend()["prepared_transactions"] == 1
    assert prepared(tenant) == []


def test_a_prepared_transaction_of_its_login_in_another_database_is_rolled_back(tenant: Tenant, other: Tenant) -> None:
    let_in(other, tenant)
    with session_of(tenant, other) as session, session.cursor() as cursor:
        cursor.execute("SET ROLE NONE; BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'another'")
        cursor.execute("PREPARE TRANSACTION 'elsewhere'")
    assert tenant.suspend()["prepared_transactions"] == 1
    assert prepared(other) == []


def test_an_owner_that_keeps_the_admin_out_is_suspended_all_the_same(tenant: Tenant) -> None:
    database = sql.Identifier(tenant.names.database)
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM {}").format(database, sql.Identifier(ADMIN)))
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        cursor.execute("PREPARE TRANSACTION 'left'")
    assert tenant.suspend()["prepared_transactions"] == 1


def test_a_suspension_that_dies_as_another_tenants_login_leaves_nothing_with_it(
    tenant: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in(tenant, other)
    with session_of(other, tenant) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        cursor.execute("PREPARE TRANSACTION 'left'")
    before, job = other.catalogs(), opened(tenant, tenant.job(SUSPEND_PROJECT))
    with monkeypatch.context() as patched:
        patched.setattr(acting, "leaving", Mock(side_effect=Died))
        with pytest.raises(Died):
            job.run(suspend_access)
    job.run(suspend_access)
    repair_before_16(tenant)
    assert other.catalogs() == before


def prepared(tenant: Tenant) -> list[tuple[object, ...]]:
    return execute(tenant.stack, "postgres", PREPARED, tenant.names.database)


def restore_access_of(tenant: Tenant) -> None:
    """The tenant's owner has closed it itself, so the proof of a resumption finds it closed."""
    resumption = tenant.job(RESUME_PROJECT)
    resumption.verify()
    resumption.run(restore_access)


def wait_until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline, "it does not happen"
