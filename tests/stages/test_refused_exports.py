"""What is not exported: a tenant whose rows cannot all be read, one that is too large, and what belongs to others."""

import pytest

from local.stack import Stack
from provisioning.errors import ExportRefused
from stages.export import export_database
from tests.stages.exporting import NOTHING, begun, exported, left, manifest_of, read, undone
from tests.stages.jobs import execute
from tests.stages.suspending import Tenant

pytestmark = pytest.mark.slow


def refused(tenant: Tenant) -> str:
    """The message of an export that is refused, which leaves nothing."""
    job = begun(tenant)
    with pytest.raises(ExportRefused) as found:
        job.run(export_database)
    assert undone(job) == "rolled_back"
    assert left(tenant) == NOTHING
    return str(found.value)


def test_forced_row_level_security_is_refused_with_the_table_and_the_statement(tenant: Tenant) -> None:
    tenant.run("""
        CREATE TABLE public."My table" (id integer);
        ALTER TABLE public."My table" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY
    """)
    assert refused(tenant) == (
        'row level security is forced on "public"."My table":'
        ' run ALTER TABLE "public"."My table" NO FORCE ROW LEVEL SECURITY, and FORCE afterwards'
    )
    tenant.run('ALTER TABLE "public"."My table" NO FORCE ROW LEVEL SECURITY')
    assert exported(tenant)["tables"] > 0


def test_a_table_of_another_role_is_refused_with_its_name(stack: Stack, tenant: Tenant) -> None:
    execute(stack, tenant.names.database, "CREATE TABLE public.theirs (id integer)")
    assert refused(tenant).startswith('another role owns "public"."theirs"')


def test_a_schema_of_another_role_is_left_out_and_listed(stack: Stack, tenant: Tenant) -> None:
    made_by_it = 'CREATE SCHEMA "of.a ""service"; CREATE TABLE "of.a ""service".t (id integer)'
    execute(stack, tenant.names.database, made_by_it)
    made = exported(tenant)
    manifest = manifest_of(stack, made)
    assert manifest["left_out"]["schemas"] == [{"schema": 'of.a "service', "owner": "postgres"}]
    assert b"of.a" not in read(stack, made["dump"])


def test_the_schema_that_a_service_makes_in_a_tenant_is_left_out(
    stack: Stack, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the tenant's own, because a service works with the tenant's login: its adapter knows the name."""
    tenant.run("CREATE SCHEMA storage; CREATE TABLE storage.objects (id integer)")
    execute(
        stack,
        "control_plane",
        "UPDATE control_plane.service_registrations SET service = 'storage' WHERE tenant_id = %s",
        tenant.names.tenant_id,
    )
    monkeypatch.setenv("STORAGE_SERVICE_ADAPTER", "supabase-storage")
    made = exported(tenant)
    assert manifest_of(stack, made)["left_out"]["schemas"] == [{"schema": "storage", "owner": tenant.names.owner_role}]
    assert ("storage", "objects") not in {(one["schema"], one["name"]) for one in manifest_of(stack, made)["tables"]}


def test_a_database_too_large_for_the_time_is_refused_with_its_size_and_the_rate(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPORT_BYTES_PER_SECOND", "100000")
    said = refused(tenant)
    assert said.startswith("the database has ")
    assert " s at 0.1 MB/s are enough for " in said
