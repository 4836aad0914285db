-- What a cluster, its admin and its register are like. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql. Roles
-- are compared by name or oid: a name may have capitals, dots and quotes, and a cast to regrole would parse it. An
-- option of a membership that its server does not have yet, before PostgreSQL 16, is what the member's attribute says.

-- name: find_admin
SELECT current_user::text AS name, rolsuper AS is_superuser, rolcreaterole AND rolcreatedb AS may_create,
       current_setting('server_version_num')::integer / 10000 AS version,
       current_setting('fsync') = 'on' AS is_durable,
       pg_get_userbyid(register.datdba)::text AS register_owner
FROM pg_roles
LEFT JOIN pg_database AS register ON register.datname = {register}
WHERE rolname = current_user;

-- name: find_withheld_roles
-- Shared roles that the admin may not grant: neither itself, nor as a role whose privileges it inherits.
WITH RECURSIVE inherited (role) AS (
    SELECT oid FROM pg_roles WHERE rolname = current_user
    UNION
    SELECT roleid
    FROM inherited
    JOIN pg_auth_members AS membership ON membership.member = role
    JOIN pg_roles AS who ON who.oid = membership.member
    WHERE coalesce((to_jsonb(membership) ->> 'inherit_option')::boolean, who.rolinherit)
)
SELECT wanted AS role
FROM unnest({shared_roles}) AS wanted
WHERE NOT EXISTS (
    SELECT FROM pg_auth_members
    JOIN pg_roles AS shared ON shared.oid = roleid
    JOIN inherited ON inherited.role = member
    WHERE shared.rolname = wanted AND admin_option);

-- name: find_open
-- Who lets a tenant's login, or one of the roles that all logins share, into a database that is the platform's: the
-- grantee itself may be a role that the login only inherits from.
SELECT datname::text AS database,
       array_agg(DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END) AS let_in
FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
WHERE datname IN ('postgres', {register}) AND privilege_type = 'CONNECT'
    AND (grantee = 0 OR EXISTS (
        SELECT FROM pg_roles
        WHERE (rolname = ANY ({shared_roles}) OR rolname ~ '^tenant_[a-z]{{20}}_login$')
            AND pg_has_role(pg_roles.oid, grantee, 'USAGE')))
GROUP BY datname
ORDER BY datname;

-- name: find_creators
-- A creator is usable if the admin may become it and it may grant every shared role.
SELECT name, coalesce(pg_has_role(role.oid, 'SET'), false) AND (
           SELECT count(DISTINCT roleid) = cardinality({shared_roles})
           FROM pg_auth_members JOIN pg_roles AS shared ON shared.oid = roleid
           WHERE member = role.oid AND admin_option AND shared.rolname = ANY ({shared_roles})) AS is_usable
FROM register.creators
LEFT JOIN pg_roles AS role ON rolname = name
ORDER BY name;

-- name: find_opened
-- Those that no removal is about to close: it closes each within ten seconds.
SELECT database, connection_limit, refuses_connections, refuses_admin
FROM register.opened_databases
WHERE opened_at < now() - interval '1 minute'
ORDER BY database;
