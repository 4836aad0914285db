"""A later version of Storage adds tables to every registered tenant: upkeep opens them over each tenant's own login."""

from contextlib import closing
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.cluster import session as sessions
from provisioning.errors import ServiceRegistrationFailed
from provisioning.services import repairs
from provisioning.services.supabase_storage import SupabaseStorage
from tests.stages.conftest import environment
from tests.stages.jobs import Context, execute, wait_until_free
from tests.stages.suspending import Tenant
from tests.stages.tenant_apis import StorageApi
from tests.upkeep.repairing import DUE, come_round, policies, reads, repaired, storage, tenants, told
from upkeep.reconcile import reconcile

pytestmark = pytest.mark.slow


__all__ = ["environment", "storage", "tenants"]

END_HOLDERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND datname = 'provisioner_register'
"""
READS_OF_A_VERSION = 2
"""One that repairs, and one that finds nothing left to repair."""


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
    wait_until_free(stack, sessions.REGISTER, tenants[0].names.tenant_id)
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
            execute(stack, "postgres", END_HOLDERS)
        return real(adapter, tenant)  # type: ignore[arg-type]

    with patch.object(SupabaseStorage, "repair", interrupted):
        answer = come_round(stack)
    assert len(told(answer, "repaired")) == len(tenants)


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
