-- Inside the tenant's database, over its own login, which acts as the owner. Nothing here runs as the admin, except for
-- the extensions that only the admin can make. Placeholders are {name}, composed by psycopg2.sql.

-- name: lock_schema
SELECT pg_advisory_xact_lock(hashtextextended('tenant schema', 0));

-- name: find_schema
SELECT to_regnamespace('tenant') IS NOT NULL AS is_there;

-- name: find_version
SELECT coalesce(max(version), 0) AS version FROM tenant._migrations;

-- name: make_schemas
REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- The tenant owns its database, and so acts as pg_database_owner, to which PostgreSQL gives the schema.
REVOKE CREATE ON SCHEMA public FROM pg_database_owner;
CREATE SCHEMA tenant;
CREATE SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO {shared_roles};
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA tenant GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA tenant GRANT USAGE ON SEQUENCES TO authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA tenant GRANT EXECUTE ON FUNCTIONS TO anon, authenticated, service_role;

-- name: record_migration
INSERT INTO tenant._migrations (version, name) VALUES ({version}, {name});

-- name: make_extension
-- Without a look at pg_available_extensions first, which reads every control file of the server. An extension that the
-- server does not have is skipped. So is one that this role may not make, whose name is kept for the rest of the
-- transaction.
DO $make$
BEGIN
    CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA extensions CASCADE;
EXCEPTION
    WHEN feature_not_supported OR undefined_file THEN NULL;
    WHEN insufficient_privilege THEN
        PERFORM set_config('provisioner.refused', concat_ws(',', nullif(current_setting('provisioner.refused', true), ''), {name}), true);
END $make$;

-- name: find_made_extensions
SELECT coalesce((SELECT array_agg(extname::text) FROM pg_extension WHERE extname = ANY ({names})), '{{}}') AS installed,
       string_to_array(coalesce(current_setting('provisioner.refused', true), ''), ',') AS refused;
