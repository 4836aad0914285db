-- Inside the tenant's database, over its own login, which acts as the owner. Nothing here runs as the admin, except for
-- the extensions that only the admin can make. Placeholders are {name}, composed by psycopg2.sql.

-- name: lock_schema
SELECT pg_advisory_xact_lock(hashtextextended('tenant schema', 0));

-- name: find_schema
SELECT to_regnamespace('tenant') IS NOT NULL AS is_there;

-- name: find_version
SELECT coalesce(max(version), 0) AS version FROM tenant._migrations;

-- name: make_schemas
-- public is the user's. The tenant owns its database, and so acts as pg_database_owner, to which PostgreSQL gives the
-- schema; nothing is granted to the owner by name, so that a dump restores into another tenant.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {shared_roles};
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO anon, authenticated, service_role;
CREATE SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO {shared_roles};
-- What policies ask about the request, as Supabase names it. PostgREST sets the claims of the JWT; a setting changed by
-- SET LOCAL reads as '' afterwards, hence nullif before every cast.
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO {shared_roles};
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid $$;
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role' $$;
GRANT EXECUTE ON FUNCTION auth.jwt(), auth.uid(), auth.role() TO {shared_roles};
-- The platform's schema, whose tables the files of tenant_schema/ make. Which of them ran is recorded here, and nobody
-- but the owner has a privilege on that.
CREATE SCHEMA tenant;
CREATE TABLE tenant._migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE tenant._migrations ENABLE ROW LEVEL SECURITY;

-- name: begin_file
-- What a file names without a schema is in the user's, as in a client's session. The setting ends with the transaction.
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('tenant schema', 0));
SET LOCAL search_path = public, extensions;
SET LOCAL provisioner.file = {name};

-- name: record_file
-- A dump begins with settings for its whole session, and a tool's file may end the transaction.
DO $check$ BEGIN
    IF current_setting('provisioner.file', true) IS DISTINCT FROM {name} THEN
        RAISE EXCEPTION 'the file ends the transaction that it runs in'
            USING ERRCODE = 'invalid_transaction_termination';
    END IF;
END $check$;
RESET ROLE;
RESET ALL;
INSERT INTO tenant._migrations (version, name) VALUES ({version}, {name});

-- name: rollback_file
ROLLBACK;
RESET ROLE;
RESET ALL;

-- name: lock_schema_when_free
SELECT pg_try_advisory_lock(hashtextextended('tenant schema', 0)) AS is_held;

-- name: release_schema
SELECT pg_advisory_unlock_all();

-- name: record_path
SELECT set_config('search_path', 'public, extensions', false);

-- name: find_invalid_indexes
SELECT nspname::text AS schema, relname::text AS name
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE NOT indisvalid AND relkind = 'i' AND nspname <> 'pg_toast';

-- name: drop_invalid_index
DROP INDEX CONCURRENTLY IF EXISTS {index};

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
       string_to_array(coalesce(current_setting('provisioner.refused', true), ''), ',') AS refused,
       -- The column has another name in each of the versions 15 to 17.
       concat_ws(' ', CASE datlocprovider WHEN 'b' THEN 'builtin' WHEN 'i' THEN 'icu' ELSE 'libc' END,
                 coalesce(to_jsonb(pg_database) ->> 'datlocale', to_jsonb(pg_database) ->> 'daticulocale'),
                 'LC_COLLATE', datcollate, 'LC_CTYPE', datctype) AS locale
FROM pg_database
WHERE datname = current_database();
