"""A later version of Storage adds tables to every registered tenant: upkeep opens them over each tenant's own login."""

from collections.abc import Iterator
from contextlib import closing
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.cluster import session as sessions
from provisioning.errors import ServiceRegistrationFailed
from provisioning.ledger.runner import Output
from provisioning.services import repairs
from provisioning.services.supabase_storage import TABLES_AT_MOST, SupabaseStorage
from tests.conftest import NewProject
from tests.stages.conftest import environment
from tests.stages.jobs import Context, execute
from tests.stages.suspending import Tenant, live_tenant
from tests.stages.tenant_apis import StorageApi, native_service
from upkeep.reconcile import reconcile

__all__ = ["environment"]


@pytest.fixture
def storage(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageApi]:
    with native_service(stack, monkeypatch, "storage", "supabase-storage", StorageApi) as served:
        yield served


@pytest.fixture
def tenants(stack: Stack, new_project: NewProject, storage: StorageApi) -> list[Tenant]:
    """Two tenants, besides which no other has a turn: those of other tests have registered with other doubles."""
    execute(stack, "control_plane", "UPDATE control_plane.service_registrations SET looked_at = 'infinity'")
    return [live_tenant(stack, new_project(), "storage") for _ in range(2)]


def come_round(stack: Stack) -> Output:
    """Make it the turn of both, and reconcile."""
    execute(stack, "control_plane", DUE)
    return reconcile({}, Context())


def told(answer: Output, kind: str) -> list[str]:
    return [one for one in answer[kind] if one.startswith("storage of")]


def repaired(tenant: Tenant, tables: int = 1) -> str:
    return f"storage of {tenant.names.tenant_id}: {tables} tables opened to service_role"


def reads(tenant: Tenant) -> bool:
    """Whether the service's role reads a row of the table that the later version has added."""
    tenant.run("INSERT INTO storage.buckets (id) VALUES ('b') ON CONFLICT DO NOTHING")
    tenant.run("INSERT INTO storage.vectors (bucket_id) SELECT 'b' WHERE NOT EXISTS (SELECT FROM storage.vectors)")
    with closing(tenant.connect(options="-c role=service_role")) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM storage.vectors")
        return cursor.fetchone() == (1,)


def policies(tenant: Tenant, schema: str) -> set[tuple[str, str]]:
    asked = "SELECT tablename::text, policyname::text FROM pg_policies WHERE schemaname = %s"
    return set(tenant.run(asked, schema))


def test_after_one_round_the_services_role_reads_the_added_table_of_every_tenant(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    assert told(come_round(stack), "repaired") == []
    storage.upgrade()
    assert [reads(one) for one in tenants] == [False, False]
    answer = come_round(stack)
    assert sorted(told(answer, "repaired")) == sorted(repaired(one) for one in tenants)
    assert [reads(one) for one in tenants] == [True, True]
    assert told(come_round(stack), "repaired") == []


def test_a_tenants_secret_is_read_only_after_the_service_has_migrated_it(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    for _ in range(2):
        come_round(stack)
    read: list[str] = []
    real = secrets.read_recorded

    def counted(arn: str, *rest: object) -> dict[str, object]:
        read.append(arn)
        return real(arn, *rest)  # type: ignore[arg-type]

    with patch.object(secrets, "read_recorded", counted):
        come_round(stack)
        assert read == []
        storage.upgrade()
        for _ in range(3):
            come_round(stack)
    assert {read.count(arn) for arn in read} == {READS_OF_A_VERSION}
    assert len(set(read)) == len(tenants)


def test_only_tables_in_the_schema_of_storage_get_a_policy(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    tenant = tenants[0]
    own = "CREATE TABLE public.vectors (id int); ALTER TABLE public.vectors ENABLE ROW LEVEL SECURITY;"
    tenant.run(own + "GRANT SELECT ON public.vectors TO service_role")
    before = policies(tenant, "public"), tenant.catalogs()
    storage.upgrade()
    come_round(stack)
    assert (policies(tenant, "public"), tenant.catalogs()) == before
    assert ("vectors", "service_role") in policies(tenant, "storage")


def test_a_closed_database_holds_up_no_other_tenant_and_fails_no_run(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    come_round(stack)
    storage.upgrade()
    closed = tenants[0]
    close = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    name = sql.Identifier(closed.names.database)
    execute(stack, "postgres", close.format(name, sql.SQL("false")))
    answer = come_round(stack)
    execute(stack, "postgres", close.format(name, sql.SQL("true")))
    assert sorted(told(answer, "repaired")) == sorted(repaired(one) for one in tenants[1:])
    (failed,) = told(answer, "failed")
    assert failed.startswith(f"storage of {closed.names.tenant_id}: ")
    assert told(come_round(stack), "repaired") == [repaired(closed)]


def test_a_table_that_a_tenant_keeps_locked_holds_up_no_other_tenant(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    come_round(stack)
    storage.upgrade()
    with closing(tenants[0].connect()) as session, session.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE storage.vectors IN ACCESS SHARE MODE")
        answer = come_round(stack)
    assert sorted(told(answer, "repaired")) == sorted(repaired(one) for one in tenants[1:])
    assert len(told(answer, "failed")) == 1


def test_a_suspended_tenant_is_left_alone_until_it_is_resumed(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    come_round(stack)
    suspended = tenants[0]
    storage.upgrade()
    suspended.suspend()
    asked = len(storage.requests)
    answer = come_round(stack)
    assert not any(suspended.names.tenant_id in one for kind in ("repaired", "failed") for one in told(answer, kind))
    assert not any(suspended.names.tenant_id in path for _, path in storage.requests[asked:])
    suspended.resume()
    assert told(come_round(stack), "repaired") == [repaired(suspended)]


def test_a_tenant_whose_lock_a_job_holds_is_left_to_the_job(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    come_round(stack)
    storage.upgrade()
    with closing(stack.postgres.connect(sessions.REGISTER)) as job, job.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (tenants[0].names.tenant_id,))
        answer = come_round(stack)
    assert sorted(told(answer, "repaired")) == sorted(repaired(one) for one in tenants[1:])
    assert told(answer, "failed") == []
    assert told(come_round(stack), "repaired") == [repaired(tenants[0])]


def test_a_job_that_begins_during_a_repair_ends_the_session_with_the_lock_and_the_run_goes_on(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    come_round(stack)
    storage.upgrade()
    real, begun = SupabaseStorage.repair, list[object]()

    def interrupted(adapter: SupabaseStorage, tenant: object) -> str:
        if not begun:
            begun.append(tenant)
            ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            execute(stack, "postgres", f"{ended} WHERE locktype = 'advisory' AND datname = 'provisioner_register'")
        return real(adapter, tenant)  # type: ignore[arg-type]

    with patch.object(SupabaseStorage, "repair", interrupted):
        answer = come_round(stack)
    assert len(told(answer, "repaired")) == len(tenants)


def test_what_a_hostile_tenant_has_made_in_that_schema_changes_nothing_outside_its_rights(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    """Tables that are not its owner's, with names of every kind, triggers, and a function in place of ours."""
    come_round(stack)
    hostile, others = tenants[0], [one.catalogs() for one in tenants[1:]]
    before = execute(stack, "postgres", ROLES), hostile.catalogs()
    hostile.run(HOSTILE)
    storage.upgrade()
    answer = come_round(stack)
    assert told(answer, "failed") == []
    assert repaired(hostile, 3) in told(answer, "repaired")
    assert (execute(stack, "postgres", ROLES), hostile.catalogs()) == before
    assert [one.catalogs() for one in tenants[1:]] == others
    assert hostile.run("SELECT count(*) FROM storage.ran") == [(0,)]
    assert told(come_round(stack), "failed") == []


def test_however_many_tables_a_tenant_makes_one_turn_opens_a_hundred(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    come_round(stack)
    storage.upgrade()
    tenants[0].run(MANY)
    rounds = [told(come_round(stack), "repaired") for _ in range(3)]
    assert [repaired(tenants[0], TABLES_AT_MOST) in rounds[0], rounds[1:]] == [True, [[repaired(tenants[0])], []]]


def test_no_tenant_has_a_second_turn_before_every_other_had_its_first(
    stack: Stack, storage: StorageApi, tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    come_round(stack)
    storage.upgrade()
    execute(stack, "control_plane", DUE)
    monkeypatch.setattr(repairs, "AT_MOST", 1)
    done = [told(reconcile({}, Context()), "repaired") for _ in range(3)]
    assert sorted(done) == sorted([[], *([repaired(one)] for one in tenants)])


def test_a_service_that_does_not_answer_fails_the_run_and_keeps_nothing_else_from_its_turn(
    stack: Stack, storage: StorageApi, tenants: list[Tenant]
) -> None:
    come_round(stack)
    storage.upgrade()
    real = SupabaseStorage.migrated_to
    first = tenants[0].names.tenant_id

    def failing(adapter: SupabaseStorage, tenant_id: str) -> str | None:
        if tenant_id == first:
            raise ServiceRegistrationFailed("storage answered 500")
        return real(adapter, tenant_id)

    with patch.object(SupabaseStorage, "migrated_to", failing), pytest.raises(ServiceRegistrationFailed):
        come_round(stack)
    assert [reads(one) for one in tenants] == [False, True]


def test_without_such_an_adapter_no_tenant_is_looked_at(
    stack: Stack, tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_SERVICE_ADAPTER", "generic")
    come_round(stack)
    assert {one.row("service_registrations", "looked_at") for one in tenants} == {None}


DUE = """
    UPDATE control_plane.service_registrations SET looked_at = NULL WHERE looked_at IS DISTINCT FROM 'infinity'
"""
READS_OF_A_VERSION = 2
"""One that repairs, and one that finds nothing left to repair."""

ROLES = "SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolconfig::text FROM pg_roles ORDER BY 1"
HOSTILE = """
    CREATE TABLE storage.ran ();
    CREATE FUNCTION storage.run() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO storage.ran DEFAULT VALUES; RETURN NEW; END $$;
    CREATE FUNCTION storage.pg_has_role(oid, text) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO storage.ran DEFAULT VALUES; RETURN true; END $$;
    CREATE TABLE storage."x"" TO PUBLIC USING (true); CREATE ROLE evil; --" (id int);
    CREATE TABLE storage.parts (id int) PARTITION BY RANGE (id);
    CREATE TABLE storage.named (id int);
    CREATE POLICY service_role ON storage.named USING (storage.pg_has_role(1, 'x'));
    CREATE TRIGGER run AFTER INSERT OR UPDATE OR DELETE ON storage.buckets
        FOR EACH STATEMENT EXECUTE FUNCTION storage.run();
    ALTER TABLE storage."x"" TO PUBLIC USING (true); CREATE ROLE evil; --" ENABLE ROW LEVEL SECURITY;
    ALTER TABLE storage.parts ENABLE ROW LEVEL SECURITY;
    ALTER TABLE storage.named ENABLE ROW LEVEL SECURITY;
    GRANT USAGE, CREATE ON SCHEMA storage TO anon;
    SET ROLE anon;
    CREATE TABLE storage.of_another (id int);
    ALTER TABLE storage.of_another ENABLE ROW LEVEL SECURITY;
    GRANT SELECT ON storage.of_another TO service_role
"""
MANY = """
    DO $do$ BEGIN FOR number IN 1..100 LOOP
        EXECUTE format('CREATE TABLE storage.a_%s (id int)', number);
        EXECUTE format('ALTER TABLE storage.a_%s ENABLE ROW LEVEL SECURITY', number);
    END LOOP; END $do$
"""
