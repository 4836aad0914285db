-- What roles may that they should not. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: find_reached
-- Which roles the admin and the tenants' roles may use beyond their own, along which memberships: SET ROLE follows those
-- with SET, privileges those with INHERIT. Before PostgreSQL 16 each has SET, and INHERIT by the member's attribute.
-- ADMIN OPTION would let a tenant grant itself the rest. What the roles that all logins share may use is told once for
-- each of them (find_powers in shared_roles.sql), and not for each login.
WITH RECURSIVE memberships AS (
    SELECT roleid, membership.member, membership.grantor, admin_option,
           coalesce((to_jsonb(membership) ->> 'inherit_option')::boolean, who.rolinherit) AS inherits,
           coalesce((to_jsonb(membership) ->> 'set_option')::boolean, true) AS sets
    FROM pg_auth_members AS membership
    JOIN pg_roles AS who ON who.oid = membership.member
), roots AS (
    SELECT oid, rolname, rolname = session_user AS is_admin, rolname = ANY ({shared_roles}) AS is_shared,
           substring(rolname FROM '^tenant_([a-z]{{20}})_(?:owner|login)$') AS tenant_id
    FROM pg_roles
    WHERE rolname = session_user OR rolname = ANY ({shared_roles}) OR rolname ~ '^tenant_[a-z]{{20}}_(owner|login)$'
), reached (root, role, by_set, path, grantor) AS (
    SELECT oid, oid, true, ARRAY[rolname::text], NULL::oid FROM roots
    UNION
    SELECT root, roleid, by_set AND sets, path || named.rolname::text, memberships.grantor
    FROM reached
    JOIN roots ON roots.oid = root
    JOIN memberships ON memberships.member = role
    JOIN pg_roles AS named ON named.oid = roleid
    WHERE ((by_set AND sets) OR inherits OR (admin_option AND NOT is_admin))
        AND (role = root OR role NOT IN (SELECT oid FROM roots))
)
SELECT path, pg_get_userbyid(reached.grantor)::text AS grantor, is_admin, roots.tenant_id,
       substring(named.rolname FROM '^tenant_([a-z]{{20}})_(?:owner|login)$') AS reached_tenant_id,
       named.rolsuper AS is_superuser
FROM reached
JOIN roots ON roots.oid = root
JOIN pg_roles AS named ON named.oid = role
WHERE role <> root AND NOT is_shared
    AND CASE WHEN is_admin THEN named.rolsuper OR named.rolname ~ '^tenant_[a-z]{{20}}_(owner|login)$'
        WHEN roots.rolname ~ '_login$' THEN named.rolname <> ALL ({shared_roles})
            AND named.rolname <> 'tenant_' || roots.tenant_id || '_owner'
        ELSE true END
ORDER BY path;

-- name: find_attributes
SELECT rolname::text AS role, substring(rolname FROM '^tenant_([a-z]{{20}})_') AS tenant_id, array_remove(ARRAY[
           CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
           CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
           CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL) AS attributes
FROM pg_roles
WHERE rolname ~ '^tenant_[a-z]{{20}}_(owner|login)$'
    AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
ORDER BY rolname;
