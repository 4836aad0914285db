-- The tenant's database from the inside, over its own login, which acts as the owner: nothing here runs as the admin but
-- the extensions that only the admin can make. Placeholders are {name}, composed by psycopg2.sql.

-- name: lock_schema
SELECT pg_advisory_xact_lock(hashtextextended('tenant schema', 0));

-- name: find_schema
SELECT to_regnamespace('tenant') IS NOT NULL AS is_there;

-- name: find_version
SELECT coalesce(max(version), 0) AS version FROM tenant._migrations;

-- name: make_schemas
REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- The tenant owns its database, and so is pg_database_owner, to whom PostgreSQL gives the schema.
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

-- name: find_available_extensions
SELECT available.name::text AS name, version.trusted, available.installed_version IS NOT NULL AS installed
FROM pg_available_extensions AS available
JOIN pg_available_extension_versions AS version
    ON version.name = available.name AND version.version = available.default_version
WHERE available.name = ANY ({names})
ORDER BY array_position({names}, available.name::text);

-- name: make_extension
CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA extensions CASCADE;
