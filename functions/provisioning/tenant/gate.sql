-- The access to a tenant's database. Over the admin's session in the register's database. Placeholders are {name}:
-- identifiers and literals, composed by psycopg2.sql.

-- name: find_logins
SELECT coalesce(array_agg(rolname::text), '{{}}') AS logins FROM pg_roles WHERE rolname = {login_role_name} AND rolcanlogin;

-- name: find_way_in
-- The database's privileges in the order in which its ACL has them, and its own limits.
SELECT datallowconn AS allow_connections, datconnlimit AS connection_limit, (
           SELECT coalesce(json_agg(json_build_array(
               pg_get_userbyid(granted.grantor), CASE granted.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(granted.grantee) END,
               granted.privilege_type, granted.is_grantable) ORDER BY item.position), '[]')
           FROM unnest(coalesce(datacl, acldefault('d', datdba))) WITH ORDINALITY AS item (acl, position),
               LATERAL aclexplode(ARRAY[item.acl]) AS granted
       ) AS grants
FROM pg_database
WHERE datname = {database_name};

-- name: find_entered
-- Sessions in the database or, as a login of the tenant, anywhere; logins in progress; and what outlives its session. A
-- login in progress holds a lock on the database until its session is in pg_stat_activity (InitPostgres in postinit.c),
-- so one that was let in before the access was closed is in one of the two. Superusers and autovacuum are not the
-- tenant's, and a session of another database is not a login in progress. A dropped role may still have sessions.
SELECT (
           SELECT count(*) FROM pg_stat_activity LEFT JOIN pg_roles ON pg_roles.oid = usesysid
           WHERE (datname = {database_name} OR usename = {login_role_name}) AND usesysid IS NOT NULL
               AND rolsuper IS NOT TRUE AND pid <> pg_backend_pid()
       ) AS sessions,
       (SELECT count(*) FROM pg_stat_activity WHERE usename = {login_role_name}) AS of_its_login,
       (
           SELECT count(*) FROM pg_locks
           WHERE locktype = 'object' AND database = 0 AND classid = 'pg_database'::regclass
               AND objid = (SELECT oid FROM pg_database WHERE datname = {database_name}) AND pid <> pg_backend_pid()
               AND NOT EXISTS (
                   SELECT FROM pg_stat_activity AS known LEFT JOIN pg_roles ON pg_roles.oid = usesysid
                   WHERE known.pid = pg_locks.pid
                       AND (rolsuper OR backend_type = 'autovacuum worker' OR datname <> {database_name}))
       ) AS entering,
       (
           SELECT count(*) FROM pg_prepared_xacts LEFT JOIN pg_roles ON rolname = owner
           WHERE (database = {database_name} OR owner IN ({login_role_name}, {owner_role_name})) AND rolsuper IS NOT TRUE
       ) AS prepared_transactions,
       (SELECT count(*) FROM pg_replication_slots WHERE database = {database_name}) AS slots,
       (SELECT count(*) FROM pg_roles WHERE rolname = {login_role_name} AND rolcanlogin) AS logins,
       (
           SELECT count(*) FROM pg_database, LATERAL aclexplode(coalesce(datacl, acldefault('d', datdba))) AS granted
           WHERE datname = {database_name} AND granted.privilege_type = 'CONNECT'
               AND granted.grantee <> (SELECT oid FROM pg_roles WHERE rolname = session_user)
       ) AS grants;

-- name: close_login
ALTER ROLE {login} NOLOGIN;

-- name: revoke_connect
-- As the owner, from whom every grant derives: CASCADE also revokes what the grantee has granted.
REVOKE CONNECT ON DATABASE {database} FROM {grantee} CASCADE;
