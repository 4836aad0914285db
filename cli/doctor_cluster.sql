-- The queries of doctor on a cluster. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: find_admin
SELECT current_user::text AS name, rolsuper AS is_superuser, rolcreaterole AND rolcreatedb AS may_create,
       current_setting('server_version_num')::integer / 10000 AS version,
       current_setting('fsync') = 'on' AS is_durable,
       has_database_privilege('public', 'postgres', 'CONNECT') AS postgres_is_open,
       pg_get_userbyid(register.datdba)::text AS register_owner,
       has_database_privilege('public', register.oid, 'CONNECT') AS register_is_open
FROM pg_roles
LEFT JOIN pg_database AS register ON register.datname = {register}
WHERE rolname = current_user;

-- name: find_withheld_roles
SELECT wanted AS role
FROM unnest({shared_roles}) AS wanted
WHERE NOT EXISTS (
    SELECT FROM pg_auth_members JOIN pg_roles AS shared ON shared.oid = roleid
    WHERE shared.rolname = wanted AND member = current_user::regrole AND admin_option);

-- name: find_tenant_databases
SELECT datname::text AS name FROM pg_database WHERE datname ~ '^tenant_[a-z]{{20}}$' ORDER BY datname;

-- name: find_creators
-- A creator is usable if the admin may become it and it may grant every shared role.
SELECT name, coalesce(pg_has_role(role.oid, 'SET'), false) AND (
           SELECT count(*) = cardinality({shared_roles})
           FROM pg_auth_members JOIN pg_roles AS shared ON shared.oid = roleid
           WHERE member = role.oid AND admin_option AND shared.rolname = ANY ({shared_roles})) AS is_usable
FROM register.creators
LEFT JOIN pg_roles AS role ON rolname = name
ORDER BY name;

-- name: find_registered
SELECT tenant_id, control_plane_id::text, job_id, project_id, state FROM register.tenants ORDER BY tenant_id;
