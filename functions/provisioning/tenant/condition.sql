-- What exists of tenants on their cluster. Over the admin's session. Placeholders are {name}: identifiers and literals,
-- composed by psycopg2.sql.

-- name: find_conditions
-- One row per tenant, whatever exists of it, in one query for all. Privileges are as the server checks them when a login
-- connects: direct, of PUBLIC, or inherited from a role.
SELECT wanted.tenant_id, datconnlimit AS connection_limit, datallowconn AS allows_connections,
       owner.oid IS NOT NULL AS has_owner, login.oid IS NOT NULL AS has_login,
       coalesce(login.rolcanlogin AND login.rolconnlimit <> 0 AND coalesce(login.rolvaliduntil > now(), true), false)
           AS can_log_in,
       coalesce(has_database_privilege(login.oid, pg_database.oid, 'CONNECT'), false) AS may_connect,
       coalesce(pg_has_role(login.oid, owner.oid, 'MEMBER'), false) AS acts_as_owner,
       ARRAY(
           SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
           FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))
           WHERE privilege_type = 'CONNECT' AND grantee <> (SELECT oid FROM pg_roles WHERE rolname = session_user)
           ORDER BY 1
       ) AS let_in,
       (
           SELECT pg_get_userbyid(member)::text FROM pg_auth_members
           WHERE roleid IN (owner.oid, login.oid) AND admin_option AND pg_get_userbyid(member) <> {keeper}
           ORDER BY grantor
           LIMIT 1
       ) AS administrator
FROM unnest({tenant_ids}, {databases}, {owners}, {logins}) AS wanted (tenant_id, database, owner, login)
LEFT JOIN pg_database ON datname = wanted.database
LEFT JOIN pg_roles AS owner ON owner.rolname = wanted.owner
LEFT JOIN pg_roles AS login ON login.rolname = wanted.login
ORDER BY wanted.tenant_id;
