-- The way into a tenant's database. Over the admin's session in the register's
-- database. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

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
-- Who is in the database or, as a login of the tenant, anywhere; who is coming in; and what outlives its session.
-- While a session comes in it holds a lock on the database until it is in pg_stat_activity (InitPostgres in postinit.c):
-- one that was let in before the way in was closed is in one of the two. Superusers and autovacuum are not the tenant's.
SELECT (
           SELECT count(*) FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid
           WHERE (datname = {database_name} OR usename = {login_role_name}) AND NOT rolsuper AND pid <> pg_backend_pid()
       ) AS sessions,
       (
           SELECT count(*) FROM pg_locks
           WHERE locktype = 'object' AND database = 0 AND classid = 'pg_database'::regclass
               AND objid = (SELECT oid FROM pg_database WHERE datname = {database_name}) AND pid <> pg_backend_pid()
               AND NOT EXISTS (
                   SELECT FROM pg_stat_activity AS known LEFT JOIN pg_roles ON pg_roles.oid = usesysid
                   WHERE known.pid = pg_locks.pid AND (rolsuper OR backend_type = 'autovacuum worker'))
       ) AS entering,
       (
           SELECT count(*) FROM pg_prepared_xacts JOIN pg_roles ON rolname = owner
           WHERE database = {database_name} AND NOT rolsuper
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
-- As the owner, from whom every grant derives: with the grantee goes whoever has it from that one.
REVOKE CONNECT ON DATABASE {database} FROM {grantee} CASCADE;

-- name: end_sessions_of_tenant
-- Those that the current user may end. Not waited for one by one: whoever looks next sees whether they are gone.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid
WHERE (datname = {database_name} OR usename = {login_role_name}) AND NOT rolsuper AND pid <> pg_backend_pid()
    AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'));

-- name: end_sessions_of_entering
-- Whose they are is not known yet: one that this user may not end is a superuser's, or the server's own.
DO $end$
DECLARE entering integer;
BEGIN
    FOR entering IN
        SELECT pid FROM pg_locks
        WHERE locktype = 'object' AND database = 0 AND classid = 'pg_database'::regclass
            AND objid = (SELECT oid FROM pg_database WHERE datname = {database_name}) AND pid <> pg_backend_pid()
    LOOP
        BEGIN
            PERFORM pg_terminate_backend(entering);
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
    END LOOP;
END $end$;

-- name: drop_idle_slots
-- One whose session is still ending is dropped the next time.
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = {database_name} AND NOT active;

-- name: find_strangers
-- Whose sessions are in the database besides the tenant's own: other tenants' that the owner has let in, a service's.
SELECT DISTINCT rolname::text AS role
FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid
WHERE datname = {database_name} AND NOT rolsuper AND rolname NOT IN ({login_role_name}, {owner_role_name}, session_user)
ORDER BY role;

-- name: find_prepared_transactions
SELECT gid, owner::text FROM pg_prepared_xacts JOIN pg_roles ON rolname = owner
WHERE database = {database_name} AND NOT rolsuper
ORDER BY prepared, gid;

-- name: open_limits
ALTER DATABASE {database} ALLOW_CONNECTIONS {allow_connections};
ALTER DATABASE {database} CONNECTION LIMIT {limit};

-- name: rollback_prepared
ROLLBACK PREPARED {gid};

-- name: open_login
ALTER ROLE {login} LOGIN;

-- name: revoke_all
REVOKE ALL ON DATABASE {database} FROM {grantee} CASCADE;

-- name: grant_privilege_with_option
GRANT {privilege} ON DATABASE {database} TO {grantee} WITH GRANT OPTION;

-- name: grant_privilege
GRANT {privilege} ON DATABASE {database} TO {grantee};
