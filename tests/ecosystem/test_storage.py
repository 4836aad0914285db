"""Supabase Storage in a tenant database: its migrations over the issued login, then requests by token role."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from local.stack import Stack
from provisioning.services.supabase_storage import SupabaseStorage
from stages.services import register_storage
from tests.stages.jobs import Died, StagedJob, dying, execute
from tests.stages.tenant_apis import StorageApi, native_service


@pytest.fixture
def storage(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageApi]:
    with native_service(stack, monkeypatch, "storage", "supabase-storage", StorageApi) as served:
        yield served


@pytest.fixture
def service(database_url: str, job: StagedJob, storage: StorageApi) -> Iterator[Connection]:
    """A connection of the service to a tenant database that was registered with it."""
    job.run(register_storage)
    with closing(psycopg2.connect(database_url, options="-c search_path=storage,public,extensions")) as connection:
        yield connection


@contextmanager
def request(connection: Connection, role: str, **claims: str) -> Iterator[Cursor]:
    """One request: a transaction as the role of its token."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            (role, json.dumps({"role": role, **claims})),
        )
        yield cursor


def test_the_migrations_run_with_the_handed_login_which_is_no_superusers(
    stack: Stack, job: StagedJob, service: Connection
) -> None:
    owners = execute(
        stack,
        job.names.database,
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'storage'::regnamespace",
    )
    assert owners == [(job.names.owner_role,)]
    attributes = execute(
        stack,
        "postgres",
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles"
        " WHERE rolname IN (%s, %s)",
        job.names.login_role,
        job.names.owner_role,
    )
    assert attributes == [(False,) * 5] * 2
    with service, service.cursor() as cursor:
        cursor.execute("SELECT name FROM migrations")


def test_the_service_reads_and_writes_every_table_by_its_own_role(service: Connection) -> None:
    with request(service, "service_role") as cursor:
        cursor.execute("INSERT INTO buckets (id, kind) VALUES ('pictures', 'OTHER')")
        cursor.execute("INSERT INTO objects (bucket_id, name, owner_id) VALUES ('pictures', 'a/b.png', 'ada')")
        cursor.execute("INSERT INTO uploads (bucket_id) VALUES ('pictures')")
        cursor.execute("SELECT last_part(name), folders, count_objects('pictures') FROM objects")
        assert cursor.fetchall() == [("b.png", ["a", "b.png"], 1)]


def test_a_user_sees_what_a_policy_of_the_tenants_shows_and_nothing_without_one(service: Connection) -> None:
    with request(service, "service_role") as cursor:
        cursor.execute("INSERT INTO buckets (id) VALUES ('pictures')")
        cursor.execute("INSERT INTO objects (bucket_id, name, owner_id) VALUES ('pictures', 'b.png', 'ada')")
    for role in ("anon", "authenticated"):
        with request(service, role, sub="ada") as cursor:
            cursor.execute("SELECT name FROM objects")
            assert cursor.fetchall() == []
    with service, service.cursor() as cursor:
        cursor.execute(
            "CREATE POLICY mine ON objects FOR SELECT TO authenticated"
            " USING (owner_id = current_setting('request.jwt.claims', true)::jsonb ->> 'sub')"
        )
    for user, seen in (("ada", [("b.png",)]), ("bob", [])):
        with request(service, "authenticated", sub=user) as cursor:
            cursor.execute("SELECT last_part(name) FROM objects")
            assert cursor.fetchall() == seen


def test_an_attempt_after_one_that_died_registers_again_and_repeats_nothing(
    stack: Stack, job: StagedJob, storage: StorageApi
) -> None:
    with dying(SupabaseStorage, "register", after=True), pytest.raises(Died):
        job.run(register_storage)
    policies = "SELECT count(*) FROM pg_policy WHERE polname = 'service_role'"
    assert execute(stack, job.names.database, policies) == [(4,)]
    job.run(register_storage)
    assert execute(stack, job.names.database, policies) == [(4,)]
    assert len(storage.tenants) == 1
