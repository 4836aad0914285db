"""Supabase Realtime in a tenant database: its migrations and slots, with the login that only it has."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import LogicalReplicationConnection

from local.stack import Stack
from provisioning.errors import Misconfigured, ServiceRegistrationFailed
from stages.database import create_database, drop_database
from stages.schema import create_schema
from stages.services import register_realtime
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.executions.running import payload_for, run
from tests.stages.jobs import StagedJob, execute, open_job
from tests.stages.realtime_login import LOGIN, SECRET, MigratingRealtimeApi, realtime_with_its_login
from tests.stages.tenant_apis import connection_of

OF_REALTIME = """
    SELECT nspname::text FROM pg_namespace WHERE nspname = 'realtime' UNION SELECT pubname FROM pg_publication
    UNION SELECT datacl::text FROM pg_database WHERE datname = current_database() AND datacl::text LIKE '%%realtime%%'
"""


@pytest.fixture
def realtime(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[MigratingRealtimeApi]:
    with realtime_with_its_login(stack, monkeypatch) as served:
        yield served


def handed(realtime: MigratingRealtimeApi, job: StagedJob) -> dict[str, Any]:
    """The credentials that the service got for the job's database."""
    (settings,) = (
        found
        for tenant in realtime.tenants.values()
        if (found := tenant["extensions"][0]["settings"])["db_name"] == job.names.database
    )
    return connection_of(settings, "db_name")


@contextmanager
def service(realtime: MigratingRealtimeApi, job: StagedJob, **options: Any) -> Iterator[Any]:
    """A session of the service in the job's database."""
    with closing(psycopg2.connect(**handed(realtime, job), **options)) as connection:
        yield connection


@contextmanager
def streaming(realtime: MigratingRealtimeApi, job: StagedJob, slot: str) -> Iterator[None]:
    """The service's own slot is active, and it has a session beside it."""
    with (
        service(realtime, job, connection_factory=LogicalReplicationConnection) as consumer,
        service(realtime, job) as session,
        consumer.cursor() as replication,
        session.cursor() as cursor,
    ):
        replication.create_replication_slot(slot, output_plugin="pgoutput")
        publications = "supabase_realtime_messages_publication"
        replication.start_replication(slot, options={"proto_version": "1", "publication_names": publications})
        cursor.execute("SELECT FROM realtime.messages")
        yield


def test_the_migrations_run_with_realtimes_login_which_is_no_superusers(
    stack: Stack, job: StagedJob, realtime: MigratingRealtimeApi
) -> None:
    job.run(register_realtime)
    assert handed(realtime, job)["user"] == LOGIN
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'realtime'::regnamespace"
    owned_by = {owner for (owner,) in execute(stack, job.names.database, owners)}
    assert owned_by == {LOGIN, "supabase_realtime_admin"}
    powers = (
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = %s"
    )
    assert execute(stack, "postgres", powers, LOGIN) == [(False, False, False, False, True)]


def test_without_the_setting_the_migrations_fail_and_leave_nothing(
    stack: Stack, job: StagedJob, realtime: MigratingRealtimeApi, tenant: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REALTIME_DATABASE_SECRET_ID")
    with pytest.raises(ServiceRegistrationFailed, match="could not migrate"):
        job.run(register_realtime)
    assert handed(realtime, job)["user"] == job.names.login_role
    assert execute(stack, job.names.database, OF_REALTIME) == []
    with tenant.cursor() as cursor:
        cursor.execute("CREATE SCHEMA realtime")
    with pytest.raises(ServiceRegistrationFailed, match="could not migrate"):
        job.run(register_realtime)


def test_a_second_attempt_finds_what_the_first_has_given(job: StagedJob, realtime: MigratingRealtimeApi) -> None:
    realtime.migrations_fail = 1
    with pytest.raises(ServiceRegistrationFailed, match="could not migrate"):
        job.run(register_realtime)
    job.run(register_realtime)
    assert len(realtime.tenants) == 1


def test_a_secret_without_a_login_is_a_mistake_in_the_settings(
    stack: Stack, job: StagedJob, realtime: MigratingRealtimeApi
) -> None:
    stack.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString='{"username": "only"}')
    with pytest.raises(Misconfigured, match=f"the secret .*{SECRET}.* has no password"):
        job.run(register_realtime)


def test_realtime_reads_from_a_slot_what_changes_in_a_published_table(
    job: StagedJob, realtime: MigratingRealtimeApi, tenant: Connection
) -> None:
    job.run(register_realtime)
    with tenant.cursor() as cursor, service(realtime, job) as session, session.cursor() as reading:
        cursor.execute("CREATE TABLE public.notes (id bigint PRIMARY KEY, text text)")
        cursor.execute("ALTER PUBLICATION supabase_realtime ADD TABLE public.notes")
        reading.execute("SELECT pg_create_logical_replication_slot('notes_of_a_test', 'pgoutput', true)")
        session.commit()
        cursor.execute("INSERT INTO public.notes VALUES (1, 'to be told of')")
        reading.execute(
            "SELECT data FROM pg_logical_slot_get_binary_changes('notes_of_a_test', null, null,"
            " 'proto_version', '1', 'publication_names', 'supabase_realtime')"
        )
        assert any(b"to be told of" in bytes(data) for (data,) in reading.fetchall())


def test_the_tenants_login_gets_neither_a_slot_nor_realtimes_roles(
    job: StagedJob, realtime: MigratingRealtimeApi, tenant: Connection
) -> None:
    job.run(register_realtime)
    forbidden = (
        "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
        f"SET ROLE {LOGIN}",
        "SET ROLE supabase_realtime_admin",
        "SELECT FROM realtime.messages_of_always",
    )
    for statement in forbidden:
        with tenant.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(statement)


def test_realtime_sees_as_a_user_what_row_level_security_shows_the_user(
    job: StagedJob, realtime: MigratingRealtimeApi, tenant: Connection
) -> None:
    job.run(register_realtime)
    with tenant.cursor() as cursor:
        cursor.execute("CREATE TABLE public.notes (id bigint PRIMARY KEY, owner text)")
        cursor.execute("ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY")
        cursor.execute("INSERT INTO public.notes VALUES (1, 'ada')")
        cursor.execute("GRANT SELECT ON public.notes TO authenticated")
        cursor.execute(
            "CREATE POLICY mine ON public.notes TO authenticated"
            " USING (owner = current_setting('request.jwt.claims')::jsonb ->> 'sub')"
        )
    for user, seen in (("ada", 1), ("bob", 0)):
        with service(realtime, job) as session, session.cursor() as cursor:
            claims = json.dumps({"role": "authenticated", "sub": user})
            cursor.execute("SELECT set_config('role', 'authenticated', true)")
            cursor.execute("SELECT set_config('request.jwt.claims', %s, true)", (claims,))
            cursor.execute("SELECT count(*) FROM public.notes")
            assert cursor.fetchone() == (seen,)
            cursor.execute("SELECT count(*) FROM realtime.messages")


def test_what_a_tenant_writes_into_a_policy_can_become_realtimes_login(
    job: StagedJob, realtime: MigratingRealtimeApi, tenant: Connection
) -> None:
    """The reason why docs/operations.md requires tenants that trust each other."""
    job.run(register_realtime)
    with tenant.cursor() as cursor:
        cursor.execute("CREATE TABLE public.notes (id bigint PRIMARY KEY)")
        cursor.execute("INSERT INTO public.notes VALUES (1)")
        cursor.execute("ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY")
        cursor.execute("GRANT SELECT ON public.notes TO authenticated")
        cursor.execute(
            "CREATE FUNCTION public.escape() RETURNS boolean LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM set_config('role', 'none', false); RETURN true; END $$"
        )
        cursor.execute("CREATE POLICY hostile ON public.notes USING (public.escape())")
    with service(realtime, job) as session, session.cursor() as cursor:
        cursor.execute("SELECT set_config('role', 'authenticated', true)")
        cursor.execute("SELECT FROM public.notes")
        cursor.execute("SELECT current_user::text")
        assert cursor.fetchone() == (LOGIN,)


def test_the_database_goes_with_realtimes_sessions_and_slot_in_it(
    stack: Stack, new_project: NewProject, realtime: MigratingRealtimeApi
) -> None:
    gone, kept = open_job(new_project()), open_job(new_project())
    active = "SELECT slot_name::text FROM pg_replication_slots WHERE active AND database = ANY (%s)"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND datname = %s"
    databases = [gone.names.database, kept.names.database]
    with ExitStack() as running:
        for slot, job in (("gone_of_a_test", gone), ("kept_of_a_test", kept)):
            for stage in (create_database, create_schema, register_realtime):
                job.run(stage)
            # A session that the server has ended cannot be closed again.
            running.enter_context(streaming(realtime, job, slot))
        assert len(execute(stack, "postgres", active, databases)) == 2
        names = gone.names
        assert gone.run(drop_database)["removed"][:3] == [names.database, names.login_role, names.owner_role]
        assert execute(stack, "postgres", active, databases) == [("kept_of_a_test",)]
        assert execute(stack, "postgres", sessions, LOGIN, kept.names.database) == [(2,)]
        assert look(stack, gone.project_id).databases == []
    assert kept.names.database in kept.run(drop_database)["removed"]


def test_a_job_with_it_succeeds(stack: Stack, project_id: str, realtime: MigratingRealtimeApi) -> None:
    ran = run(stack, payload_for(project_id, "realtime"))
    assert (ran.status, len(realtime.tenants)) == ("SUCCEEDED", 1)
