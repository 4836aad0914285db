-- What Storage needs of a tenant's database, over the tenant's own login. Placeholders are {name}, composed by psycopg2.sql.

-- name: prepare_storage_schema
-- As the tenant's owner. Only a superuser can run Storage's migrations without DB_INSTALL_ROLES=false. With it they
-- omit these grants, and what they create would be closed to the roles of the tokens.
CREATE SCHEMA IF NOT EXISTS storage;
GRANT USAGE ON SCHEMA storage TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT USAGE, SELECT ON SEQUENCES TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT EXECUTE ON FUNCTIONS TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT USAGE ON TYPES TO {shared_roles};

-- name: find_closed_tables
-- The tables of Storage that row level security closes to the service's own role. Its tables belong to the tenant's
-- owner, as do all that the tenant makes in that schema; a table that it has given to another role is not ours to alter.
SELECT relname::text
FROM pg_class
WHERE relnamespace = to_regnamespace('storage') AND relkind IN ('r', 'p') AND relrowsecurity
    AND pg_has_role(relowner, 'USAGE')
    AND has_table_privilege('service_role', oid, 'SELECT')
    AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'service_role')
ORDER BY relname
LIMIT {at_most};

-- name: open_table_to_service_role
CREATE POLICY service_role ON {table} TO service_role USING (true) WITH CHECK (true);
