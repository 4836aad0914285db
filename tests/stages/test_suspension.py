"""A suspended tenant lets nobody in and has nobody in it, whatever its owner does; and keeps all that it has."""

import threading
import time
from contextlib import closing, suppress
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.errors import JobInProgress, ProjectNotEligible, ProvisioningError, SuspendInProgress
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant import emptying
from stages.access import restore_access, suspend_access
from tests.conftest import NewProject
from tests.stages.jobs import a_job, execute
from tests.stages.suspending import SUSPENSION, Tenant, is_out, live_tenant, session_of
from tests.stages.test_replication_slots import streaming

KNOWN = "SELECT 1 FROM control_plane.jobs WHERE job_id = %s"
FAILED = """
    UPDATE control_plane.provisioning_steps SET status = 'failed' WHERE job_id = %s AND stage = 'suspending_access'
"""
INSIDE = """
    SELECT pid FROM pg_stat_activity JOIN pg_roles ON usesysid = pg_roles.oid WHERE datname = %s AND NOT rolsuper
"""
ENTERING = """
    SELECT 1 FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass
        AND objid = (SELECT oid FROM pg_database WHERE datname = %s)
"""
PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = %s"
LET_IN = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}{}")


@pytest.fixture
def tenant(stack: Stack, project_id: str) -> Tenant:
    return live_tenant(stack, project_id)


@pytest.fixture
def other(stack: Stack, new_project: NewProject) -> Tenant:
    """Another tenant of the cluster."""
    return live_tenant(stack, new_project())


def let_in(tenant: Tenant, other: Tenant, *, with_option: bool = False) -> None:
    """The owner lets another tenant's login into its database."""
    names = sql.Identifier(tenant.names.database), sql.Identifier(other.names.login_role)
    tenant.run(LET_IN.format(*names, sql.SQL(" WITH GRANT OPTION" if with_option else "")))


def test_the_issued_credentials_do_not_work_any_more(tenant: Tenant) -> None:
    tenant.suspend()
    with pytest.raises(psycopg2.OperationalError, match="is not permitted to log in"):
        tenant.connect()


def test_a_connected_client_is_out(tenant: Tenant) -> None:
    with session_of(tenant) as session:
        result = tenant.suspend()
        assert is_out(session)
    assert result["sessions"] == 1


def test_the_project_and_its_tenant_are_suspended(tenant: Tenant) -> None:
    result = tenant.suspend()
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("suspended", "suspended")
    assert (result["project_id"], result["tenant_id"], result["status"]) == (
        tenant.project_id,
        tenant.names.tenant_id,
        "suspended",
    )


def test_the_register_has_it_as_suspended_and_as_done(tenant: Tenant) -> None:
    tenant.suspend()
    asked = "SELECT state, is_changing FROM register.tenants WHERE tenant_id = %s"
    assert execute(tenant.stack, "provisioner_register", asked, tenant.names.tenant_id) == [("suspended", False)]


def test_the_database_allows_connections_still(tenant: Tenant) -> None:
    """pg_upgrade stops at a database that does not."""
    tenant.suspend()
    asked = "SELECT datallowconn FROM pg_database WHERE datname = %s"
    assert execute(tenant.stack, "postgres", asked, tenant.names.database) == [(True,)]


def test_all_that_it_has_is_there_after_it(tenant: Tenant) -> None:
    tenant.run("CREATE TABLE kept AS SELECT 42 AS answer")
    tenant.suspend()
    with closing(tenant.stack.postgres.connect(tenant.names.database)) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT answer FROM tenant.kept")
        assert cursor.fetchall() == [(42,)]


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
    """It has passed every check, and the server keeps it for two more seconds before anybody can see it."""
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


def test_an_owner_that_lets_everybody_in_meanwhile_lets_nobody_in(tenant: Tenant, other: Tenant) -> None:
    """Between any two statements of the stage a session of the owner grants again what was revoked."""
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
        cursor.execute(statement.format(database=tenant.names.database))
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
    """The admin still may act as the owner, as who has prepared it."""
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
    let_in(other, tenant)
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        cursor.execute("PREPARE TRANSACTION 'left'")
    with session_of(tenant, other) as session, session.cursor() as cursor:
        names = sql.Identifier(tenant.names.owner_role), sql.Identifier(tenant.names.database)
        cursor.execute(sql.SQL(f"SET ROLE {{}}; ALTER DATABASE {{}} {closed}").format(*names))
    before = tenant.catalogs()
    tenant.suspend()
    assert prepared(tenant) == []
    restore_access_of(tenant)
    assert tenant.catalogs() == before


def test_replication_slots_of_the_database_go_and_no_others(tenant: Tenant, other: Tenant) -> None:
    for one in (tenant, other):
        with closing(one.stack.postgres.connect(one.names.database)) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (f"s_{one.names.tenant_id}",))
    assert tenant.suspend()["slots"] == 1
    left = "SELECT database::text FROM pg_replication_slots WHERE slot_name ~ %s"
    found = [execute(tenant.stack, "postgres", left, one.names.tenant_id) for one in (tenant, other)]
    assert found == [[], [(other.names.database,)]]
    execute(tenant.stack, "postgres", "SELECT pg_drop_replication_slot(%s)", f"s_{other.names.tenant_id}")


def test_a_slot_that_is_in_use_goes_with_whoever_reads_from_it(tenant: Tenant) -> None:
    slot = f"changes_{tenant.names.tenant_id}"
    with streaming(tenant.stack, tenant.made_by, slot):
        assert len(inside(tenant)) == 1
        assert tenant.suspend()["slots"] == 1
        assert inside(tenant) == []
    assert execute(tenant.stack, "postgres", "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", slot) == []


def test_other_tenants_notice_nothing(tenant: Tenant, other: Tenant) -> None:
    before = other.catalogs()
    with session_of(other) as session:
        tenant.suspend()
        assert not is_out(session)
    assert other.catalogs() == before


@pytest.mark.parametrize("declared", [PROVISION_PROJECT, SUSPEND_PROJECT], ids=lambda one: one.job_type)
def test_a_suspended_project_takes_no_job_but_what_opens_it(tenant: Tenant, declared: Declaration) -> None:
    tenant.suspend()
    job = tenant.job(declared, **({"region": "us-east-1"} if declared is PROVISION_PROJECT else {}))
    with pytest.raises(ProjectNotEligible) as refused:
        job.verify()
    said = f"the project {tenant.project_id} is suspended: provision resume {tenant.project_id}"
    assert str(refused.value) == said


def test_a_resume_that_is_asked_for_during_the_suspension_opens_at_its_next_attempt(tenant: Tenant) -> None:
    suspension, resumption = tenant.job(SUSPEND_PROJECT), tenant.job(RESUME_PROJECT)
    suspension.verify()
    with pytest.raises(SuspendInProgress, match=suspension.job_id):
        resumption.verify()
    assert execute(tenant.stack, "control_plane", KNOWN, resumption.job_id) == []
    for handler in SUSPENSION:
        suspension.run(handler)
    assert resumption.verify()["tenant_id"] == tenant.names.tenant_id


@pytest.mark.parametrize("declared", [PROVISION_PROJECT, SUSPEND_PROJECT], ids=lambda one: one.job_type)
def test_any_other_job_that_is_asked_for_during_the_suspension_is_refused(
    tenant: Tenant, declared: Declaration
) -> None:
    suspension = tenant.job(SUSPEND_PROJECT)
    suspension.verify()
    with pytest.raises(JobInProgress, match=suspension.job_id):
        tenant.job(declared, **({"region": "us-east-1"} if declared is PROVISION_PROJECT else {})).verify()


def test_a_project_without_a_tenant_is_not_suspended(project_id: str, stack: Stack) -> None:
    job = a_job(project_id)
    job.job_type, job.payload = SUSPEND_PROJECT.job_type, {"project_id": project_id}
    with pytest.raises(ProvisioningError, match="is created: provision run EVENT"):
        job.verify()


def test_an_attempt_that_is_repeated_changes_nothing(tenant: Tenant) -> None:
    job = tenant.job(SUSPEND_PROJECT)
    job.verify()
    first, closed = job.run(suspend_access), tenant.catalogs()
    execute(tenant.stack, "control_plane", FAILED, job.job_id)
    assert job.run(suspend_access) == first
    assert tenant.catalogs() == closed


def inside(tenant: Tenant) -> list[object]:
    asked = (
        "SELECT pid FROM pg_stat_activity JOIN pg_roles ON usesysid = pg_roles.oid WHERE datname = %s AND NOT rolsuper"
    )
    return [pid for (pid,) in execute(tenant.stack, "postgres", asked, tenant.names.database)]


def prepared(tenant: Tenant) -> list[tuple[object, ...]]:
    return execute(
        tenant.stack, "postgres", "SELECT gid FROM pg_prepared_xacts WHERE database = %s", tenant.names.database
    )


def wait_until_entering(tenant: Tenant) -> None:
    deadline = time.monotonic() + 20
    while not execute(tenant.stack, "postgres", ENTERING, tenant.names.database):
        assert time.monotonic() < deadline, "nobody comes in"


def restore_access_of(tenant: Tenant) -> None:
    """The tenant's owner has closed it itself: to the proof of a resumption it is closed still."""
    resumption = tenant.job(RESUME_PROJECT)
    resumption.verify()
    resumption.run(restore_access)
