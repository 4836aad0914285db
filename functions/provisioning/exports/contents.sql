-- What an export finds in a tenant's database, over the login of the export, as the tenant's owner, with nothing but
-- pg_catalog on its search path: in one repeatable read transaction, whose snapshot pg_dump gets.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: record_settings
-- The rows have to look the same on every server: what a type looks like must not depend on the tenant's settings. A
-- table with row level security that would hide a row is an error.
SELECT set_config(name, value, true)
FROM (VALUES ('row_security', 'off'), ('bytea_output', 'hex'), ('extra_float_digits', '1'), ('lc_monetary', 'C'),
             ('xmlbinary', 'base64'), ('idle_in_transaction_session_timeout', '0')) AS one (name, value);

-- name: find_snapshot
-- As the login itself: nobody else of a suspended tenant has CONNECT, which the size asks for.
SELECT pg_export_snapshot() AS snapshot, now()::text AS taken_at, current_setting('server_version') AS server_version,
       pg_database_size(current_database())::bigint AS bytes,
       (SELECT json_build_object('encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype)
        FROM pg_database WHERE datname = current_database()) AS locale;

-- name: find_foreign_schemas
-- Those that neither the tenant nor the server owns.
SELECT nspname::text AS schema, pg_get_userbyid(nspowner)::text AS owner
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND pg_get_userbyid(nspowner) NOT IN ({owner_role_name}, {login_role_name}, 'pg_database_owner')
    AND NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = 'pg_namespace'::regclass AND objid = pg_namespace.oid AND deptype = 'e')
ORDER BY nspname;

-- name: find_existing_schemas
SELECT nspname::text AS schema, pg_get_userbyid(nspowner)::text AS owner FROM pg_namespace
WHERE nspname = ANY ({schemas})
ORDER BY nspname;

-- name: find_tables
-- Every table of the dump with rows of its own, and what would keep a role that is its owner's member from reading all of
-- them.
SELECT nspname::text AS schema, relname::text AS name, relrowsecurity AND relforcerowsecurity AS is_forced,
       pg_get_userbyid(relowner) NOT IN ({owner_role_name}, {login_role_name})
           AND (relrowsecurity OR NOT has_table_privilege({owner_role_name}, pg_class.oid, 'SELECT')) AS is_foreign
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND nspname <> ALL ({left_out})
    AND NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
ORDER BY nspname, relname;

-- name: lock_tables
-- With those of pg_dump: from here on nobody changes a table before its rows are counted.
SET LOCAL lock_timeout = {patience};
LOCK TABLE ONLY {tables} IN ACCESS SHARE MODE;

-- name: find_rows
-- A row as text by the server's own functions: record_out takes no cast that a tenant has made. The sum does not depend
-- on the order of the rows, and its parts are the first 64 bits of SHA-256.
SELECT count(*) AS rows, coalesce(sum((
           'x' || encode(substr(sha256(convert_to(record_out(counted.*)::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
       ), 0)::text AS checksum
FROM ONLY {table} AS counted;

-- name: find_extensions
SELECT coalesce(json_agg(json_build_object('name', extname, 'version', extversion, 'schema', nspname) ORDER BY extname), '[]')
           AS extensions,
       (SELECT coalesce(json_agg(DISTINCT rolname ORDER BY rolname), '[]')
        FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid AND refclassid = 'pg_authid'::regclass
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())) AS roles
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace;
