"""What a tenant has made in the schema of Storage changes nothing outside its rights, and costs one turn no more."""

from local.stack import Stack
from provisioning.services.supabase_storage import TABLES_AT_MOST
from tests.stages.conftest import environment
from tests.stages.jobs import execute
from tests.stages.suspending import Tenant
from tests.stages.tenant_apis import StorageApi
from tests.upkeep.repairing import come_round, repaired, storage, tenants, told

__all__ = ["environment", "storage", "tenants"]

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
