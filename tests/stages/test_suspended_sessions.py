"""Nobody is left in a suspended tenant: connected sessions, logins in progress, and roles that its owner lets in."""

import secrets
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace

import psycopg2
import pytest
from psycopg2 import sql

from local.bootstrap import ADMIN
from provisioning.errors import SuspensionFailed
from tests.conftest import NewProject
from tests.stages.jobs import Context, execute
from tests.stages.suspending import LET_IN, Tenant, inside, is_out, let_in, live_tenant, session_of

SIGNALLING = sql.SQL("{} pg_signal_backend {} {}")
ENTERING = """
    SELECT 1 FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass
        AND objid = (SELECT oid FROM pg_database WHERE datname = %s)
"""


def test_a_connected_client_is_out(tenant: Tenant) -> None:
    with session_of(tenant) as session:
        result = tenant.suspend()
        assert is_out(session)
    assert result["sessions"] == 1


def test_a_client_that_reconnects_in_a_loop_is_out(tenant: Tenant) -> None:
    ended, refused = threading.Event(), threading.Event()

    def reconnect() -> None:
        while not ended.is_set():
            with suppress(psycopg2.Error), closing(tenant.connect()) as session, session.cursor() as cursor:
                refused.clear()
                cursor.execute("SELECT pg_sleep(30)")
            refused.set()

    threads = [threading.Thread(target=reconnect) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        tenant.suspend()
        assert inside(tenant) == []
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_client_that_is_coming_in_at_that_moment_is_out(tenant: Tenant) -> None:
    """It has passed every check, and for two more seconds the server does not show it."""
    came: list[bool] = []

    def come() -> None:
        with suppress(psycopg2.OperationalError), closing(tenant.connect(options="-c post_auth_delay=2")) as session:
            came.append(not is_out(session))

    thread = threading.Thread(target=come)
    thread.start()
    wait_until_entering(tenant)
    tenant.suspend()
    thread.join()
    assert came in ([], [False])


def test_a_tenant_at_its_connection_limit_is_closed(tenant: Tenant) -> None:
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = %s"
    ((most,),) = execute(tenant.stack, "postgres", limit, tenant.names.login_role)
    sessions = [tenant.connect() for _ in range(most)]
    with pytest.raises(psycopg2.OperationalError, match="too many connections"):
        tenant.connect()
    assert tenant.suspend()["sessions"] == most
    assert all(is_out(session) for session in sessions)


def test_another_tenant_that_the_owner_has_let_in_is_out(tenant: Tenant, other: Tenant) -> None:
    let_in(tenant, other)
    with session_of(other, tenant) as session:
        tenant.suspend()
        assert is_out(session)
    with pytest.raises(psycopg2.OperationalError, match="does not have CONNECT privilege"):
        other.connect(tenant)


def test_whom_another_tenant_has_let_in_is_out_too(tenant: Tenant, other: Tenant, new_project: NewProject) -> None:
    third = live_tenant(tenant.stack, new_project())
    let_in(tenant, other, with_option=True)
    names = sql.Identifier(tenant.names.database), sql.Identifier(third.names.login_role), sql.SQL("")
    with session_of(other, tenant) as session, session.cursor() as cursor:
        cursor.execute(LET_IN.format(*names))
    with session_of(third, tenant) as session:
        tenant.suspend()
        assert is_out(session)
    with pytest.raises(psycopg2.OperationalError, match="does not have CONNECT privilege"):
        third.connect(tenant)


def test_its_login_is_out_of_another_tenants_database_too(tenant: Tenant, other: Tenant) -> None:
    let_in(other, tenant)
    with session_of(tenant, other) as session:
        tenant.suspend()
        assert is_out(session)


def test_an_owner_that_grants_access_during_a_suspension_lets_nobody_in(tenant: Tenant, other: Tenant) -> None:
    """Between any two statements of the stage, a session of the owner grants again what was revoked."""
    stop = threading.Event()

    def grant() -> None:
        with suppress(psycopg2.Error), closing(tenant.connect()) as session, session.cursor() as cursor:
            names = sql.Identifier(tenant.names.database)
            while not stop.is_set():
                for grantee in (sql.SQL("PUBLIC"), sql.Identifier(other.names.login_role)):
                    cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(names, grantee))

    threads = [threading.Thread(target=grant) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        tenant.suspend()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    with pytest.raises(psycopg2.OperationalError, match="does not have CONNECT privilege"):
        other.connect(tenant)


def test_its_login_that_is_coming_into_another_database_is_out(tenant: Tenant, other: Tenant) -> None:
    """From there the owner's login could let somebody in again."""
    let_in(other, tenant)
    granted: list[bool] = []

    def come() -> None:
        names = sql.Identifier(tenant.names.database), sql.Identifier(other.names.login_role), sql.SQL("")
        with (
            suppress(psycopg2.OperationalError),
            session_of(tenant, other, options="-c post_auth_delay=2") as session,
            session.cursor() as cursor,
        ):
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(tenant.names.owner_role)))
            cursor.execute(LET_IN.format(*names))
            granted.append(True)

    thread = threading.Thread(target=come)
    thread.start()
    wait_until_entering(other)
    tenant.suspend()
    thread.join()
    assert granted == []
    with pytest.raises(psycopg2.OperationalError, match="does not have CONNECT privilege"):
        other.connect(tenant)


def test_another_tenant_that_is_coming_in_for_longer_than_an_attempt_takes_is_out(
    tenant: Tenant, other: Tenant
) -> None:
    let_in(tenant, other)

    def come() -> None:
        with suppress(psycopg2.OperationalError), closing(other.connect(tenant, options="-c post_auth_delay=600")):
            pass

    thread = threading.Thread(target=come)
    thread.start()
    wait_until_entering(tenant)
    assert tenant.suspend()["status"] == "suspended"
    thread.join()


@pytest.fixture
def monitor(tenant: Tenant) -> Tenant:
    """A session that the tenant's owner lets in, with a role that neither the owner nor the admin may grant."""
    role, password = f"monitor_{tenant.names.tenant_id}", secrets.token_urlsafe()
    named = sql.Identifier(role)
    execute(tenant.stack, "postgres", sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(named, sql.Literal(password)))
    tenant.run(LET_IN.format(sql.Identifier(tenant.names.database), named, sql.SQL("")))
    return replace(tenant, document={**tenant.document, "username": role, "password": password})


def test_a_role_of_nobody_here_is_out_where_the_admin_may_end_every_session(tenant: Tenant, monitor: Tenant) -> None:
    """As on Amazon RDS ("Understanding the rds_superuser role" in its user guide)."""
    execute(tenant.stack, "postgres", SIGNALLING.format(sql.SQL("GRANT"), sql.SQL("TO"), sql.Identifier(ADMIN)))
    try:
        with session_of(monitor) as session:
            tenant.suspend()
            assert is_out(session)
    finally:
        execute(tenant.stack, "postgres", SIGNALLING.format(sql.SQL("REVOKE"), sql.SQL("FROM"), sql.Identifier(ADMIN)))


def test_a_session_that_nobody_here_may_end_fails_the_suspension_and_is_counted(
    tenant: Tenant, monitor: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    if int(tenant.stack.postgres.major_version()) < 16:
        pytest.skip("before 16 the admin may become every role but a superuser, and end its sessions")
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: 2000)
    with session_of(monitor) as session:
        with pytest.raises(SuspensionFailed, match="left in the tenant: 1 sessions"):
            tenant.suspend()
        assert not is_out(session)


def wait_until_entering(tenant: Tenant) -> None:
    deadline = time.monotonic() + 20
    while not execute(tenant.stack, "postgres", ENTERING, tenant.names.database):
        assert time.monotonic() < deadline, "nobody comes in"
