"""An export is a dump that restores to what was there, with a manifest that says so; the project stays as it is."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from local.exports import EXPORTS
from local.stack import Stack
from provisioning import control_plane
from provisioning.errors import JobInProgress
from provisioning.exports import contents, dump, login
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.postgres import Refused
from provisioning.tenant import holding
from tests.conftest import NewProject
from tests.stages.exporting import (
    NOTHING,
    begun,
    exported,
    kept_of,
    left,
    listed,
    manifest_of,
    names_of,
    read,
    restore,
    undone,
)
from tests.stages.jobs import execute, lambda_environment
from tests.stages.suspending import Tenant, live_tenant

pytestmark = pytest.mark.slow

ROWS = """
    CREATE TYPE public.mood AS ENUM ('fine', 'not "fine"');
    CREATE DOMAIN public.positive AS numeric CHECK (VALUE > 0);
    CREATE TABLE public.things (
        id integer PRIMARY KEY, at timestamptz, amount public.positive, mood public.mood, raw bytea, tags text[],
        half double precision, doc jsonb, counted integer, doubled integer GENERATED ALWAYS AS (counted * 2) STORED);
    INSERT INTO public.things
    SELECT i, '2026-01-01 12:00+02'::timestamptz + i * interval '1 hour', i, 'not "fine"', decode(md5(i::text), 'hex'),
           ARRAY['ä', NULL, i::text], i / 3.0, jsonb_build_object('n', i), i
    FROM generate_series(1, 500) AS i;
    CREATE SCHEMA "Of ""my"" own";
    CREATE TABLE "Of ""my"" own"."counted.*" ("counted" text, "Other one" text);
    INSERT INTO "Of ""my"" own"."counted.*" VALUES ('a', NULL), ('a', NULL), ('b', 'c');
    CREATE TABLE public.parted (id integer) PARTITION BY RANGE (id);
    CREATE TABLE public.part PARTITION OF public.parted FOR VALUES FROM (0) TO (10);
    INSERT INTO public.parted VALUES (1), (2);
    CREATE VIEW public.seen AS SELECT id FROM public.things;
    CREATE SEQUENCE public.numbers START 41;
    SELECT nextval('public.numbers')
"""
TRAPS = """
    ALTER DATABASE {database} SET bytea_output = 'escape';
    ALTER DATABASE {database} SET "DateStyle" = 'German';
    ALTER DATABASE {database} SET extra_float_digits = -10;
    ALTER DATABASE {database} SET search_path = public;
    ALTER DATABASE {database} SET statement_timeout = '1ms';
    ALTER DATABASE {database} SET idle_in_transaction_session_timeout = '1ms'
"""
"""Settings of the database that a dump and a checksum must not depend on."""

SHORTEST_TRANSACTIONS = "ALTER DATABASE {database} SET transaction_timeout = '1ms'"
"""Since PostgreSQL 17: every session that does not ask for another one dies as it begins."""


@pytest.fixture(scope="module")
def shared(stack: Stack, new_project: NewProject) -> Tenant:
    """A tenant with rows of many types, for the tests that only read."""
    with lambda_environment():
        tenant = live_tenant(stack, new_project())
        tenant.run(ROWS)
        return tenant


@pytest.fixture(scope="module")
def result(shared: Tenant) -> dict[str, Any]:
    """The result of its export."""
    with lambda_environment():
        return exported(shared)


@pytest.fixture
def scratch(stack: Stack, shared: Tenant) -> Iterator[str]:
    """An empty database of the tenant's owner."""
    execute(stack, "postgres", f"CREATE DATABASE scratch OWNER {shared.names.owner_role}")
    yield "scratch"
    execute(stack, "postgres", "DROP DATABASE scratch WITH (FORCE)")


def test_a_dump_restores_to_the_rows_that_the_manifest_counts(
    stack: Stack, shared: Tenant, result: dict[str, Any], scratch: str, tmp_path: Path
) -> None:
    assert restore(stack, read(stack, result["dump"]), tmp_path / "dump", scratch) == ""
    with closing(stack.postgres.connect(scratch)) as session:
        # It searches nothing else, like the login of an export.
        session.cursor().execute("SET search_path = pg_catalog")
        found = contents.look(session, shared.names, [])
        counted = {(table.schema, table.name): rows._asdict() for table, rows in found.counted()}
    tables = manifest_of(stack, result)["tables"]
    assert {(one.pop("schema"), one.pop("name")): one for one in tables} == counted
    assert counted["public", "things"]["rows"] == 500
    assert counted['Of "my" own', "counted.*"]["rows"] == 3
    assert execute(stack, scratch, "SELECT nextval('public.numbers'), count(*) FROM public.seen") == [(42, 500)]


def test_a_checksum_sees_one_bit_of_one_row(shared: Tenant) -> None:
    with closing(shared.connect()) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")

        def checksum() -> str:
            query = contents.QUERIES["find_rows"].text.replace("{table}", "public.things")
            cursor.execute(query)
            return str(cursor.fetchone())

        before = checksum()
        cursor.execute("UPDATE public.things SET half = half WHERE id = 7")
        assert checksum() == before
        cursor.execute("UPDATE public.things SET half = half * (1 + 1e-15) WHERE id = 7")
        assert checksum() != before


def test_the_manifest_has_the_sum_and_the_size_of_the_dump(stack: Stack, result: dict[str, Any]) -> None:
    content, manifest = read(stack, result["dump"]), manifest_of(stack, result)
    facts = {"key": result["dump"], "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["dump"] == facts
    assert (result["bytes"], result["sha256"]) == (facts["bytes"], facts["sha256"])


def test_the_manifest_names_extensions_roles_versions_and_what_is_left_out(
    stack: Stack, shared: Tenant, result: dict[str, Any]
) -> None:
    manifest = manifest_of(stack, result)
    installed = execute(stack, shared.names.database, "SELECT extname FROM pg_extension ORDER BY extname")
    assert sorted(one["name"] for one in manifest["extensions"]) == [name for (name,) in installed]
    assert len(installed) > 1
    assert shared.names.owner_role in manifest["roles"]
    assert manifest["pg_dump_version"] == dump.version()
    assert manifest["server_version"].partition(".")[0] <= manifest["pg_dump_version"].partition(".")[0]
    assert manifest["left_out"]["schemas"] == []
    assert manifest["database"]["encoding"] == "UTF8"


def test_the_control_plane_has_the_export_with_its_manifest(
    stack: Stack, shared: Tenant, result: dict[str, Any]
) -> None:
    asked = """
        SELECT tenant_id, bucket, dump_key, manifest_key, bytes, sha256, manifest, completed_at IS NOT NULL
        FROM control_plane.exports WHERE job_id = %s
    """
    ((*found, manifest, completed),) = [
        (*row[:6], row[6], row[7]) for row in execute(stack, "control_plane", asked, result["metadata"]["job_id"])
    ]
    assert found == [
        shared.names.tenant_id,
        EXPORTS,
        *(result[name] for name in ("dump", "manifest", "bytes", "sha256")),
    ]
    assert (manifest, completed) == (manifest_of(stack, result), True)


def test_what_a_tenant_sets_for_its_database_changes_neither_dump_nor_checksums(
    stack: Stack, shared: Tenant, result: dict[str, Any]
) -> None:
    traps = [TRAPS]
    if execute(stack, "postgres", "SELECT name FROM pg_settings WHERE name = 'transaction_timeout'"):
        traps.append(SHORTEST_TRANSACTIONS)
    shared.run("; ".join(traps).format(database=shared.names.database))
    try:
        again = exported(shared)
    finally:
        execute(stack, "postgres", f"ALTER DATABASE {shared.names.database} RESET ALL")
    assert manifest_of(stack, again)["tables"] == manifest_of(stack, result)["tables"]


def test_an_export_leaves_the_tenant_byte_for_byte_and_only_two_objects(tenant: Tenant) -> None:
    before = tenant.catalogs()
    made = exported(tenant)
    assert tenant.catalogs() == before
    assert left(tenant) == kept_of(made)
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("active", "active")
    assert made["status"] == "active"


def test_a_suspended_tenant_is_exported_while_nobody_else_may_connect(tenant: Tenant) -> None:
    tenant.run("CREATE TABLE public.kept AS SELECT generate_series(1, 9) AS id")
    tenant.suspend()
    before = tenant.catalogs()
    made = exported(tenant)
    assert tenant.catalogs() == before
    tables = {one["name"]: one["rows"] for one in manifest_of(tenant.stack, made)["tables"]}
    assert tables["kept"] == 9
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("suspended", "suspended")
    with pytest.raises(psycopg2.OperationalError, match="is not permitted to log in"):
        tenant.connect()
    tenant.resume()
    assert tenant.run("SELECT count(*) FROM public.kept") == [(9,)]


def test_two_exports_of_one_project_are_two_dumps(tenant: Tenant) -> None:
    first, second = exported(tenant), exported(tenant)
    kept = [made[name] for made in (first, second) for name in ("dump", "manifest")]
    assert left(tenant) == NOTHING._replace(objects=sorted(kept))


def test_one_job_a_project_runs_at_a_time(tenant: Tenant) -> None:
    begun(tenant)
    for declared in (EXPORT_PROJECT, SUSPEND_PROJECT):
        with pytest.raises(JobInProgress):
            tenant.job(declared).verify()


def test_the_login_of_an_export_has_its_own_database_and_no_other(stack: Stack, tenant: Tenant, other: Tenant) -> None:
    job = begun(tenant)
    found = holding.find(control_plane.connect(), tenant.names.tenant_id)
    assert found is not None
    document = login.make(found, names_of(job), lambda: None, 60)
    with closing(contents.connect(document, 10)) as session, session.cursor() as cursor:
        contents.look(session, tenant.names, [])
        cursor.execute("SELECT session_user, current_user")
        assert cursor.fetchone() == (names_of(job).login_role, tenant.names.owner_role)
    for database in (other.names.database, "postgres", "provisioner_register", "control_plane"):
        with pytest.raises(Refused, match="lacks CONNECT"):
            contents.connect({**document, "dbname": database}, 10)
    asked = (
        "SELECT rolinherit, rolvaliduntil < now() + interval '10 min', rolconnlimit FROM pg_roles WHERE rolname = %s"
    )
    assert execute(stack, "postgres", asked, names_of(job).login_role) == [(False, True, login.CONNECTIONS)]
    assert undone(job) == "rolled_back"


def test_the_password_is_in_the_environment_of_pg_dump_and_not_in_its_arguments() -> None:
    document = {"host": "h", "port": 1, "dbname": "d", "username": "u", "password": "a-password"}
    source = dump.Source(document, "owner", "snapshot", ["one"], 180000)
    assert source.environment()["PGPASSWORD"] == "a-password"
    assert not any("a-password" in one for one in source.arguments())
    assert not any("AWS" in name for name in source.environment())


def test_objects_are_encrypted_versions_of_a_bucket_that_keeps_them(stack: Stack, result: dict[str, Any]) -> None:
    versions = stack.client("s3").get_bucket_versioning(Bucket=EXPORTS)
    assert versions["Status"] == "Enabled"
    assert {one["Key"] for one in listed(stack, result["dump"])} == {result["dump"]}
