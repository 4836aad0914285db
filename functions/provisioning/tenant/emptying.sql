-- End everything that is in a tenant. Over the admin's session in the register's database. Placeholders are {name}:
-- identifiers and literals, composed by psycopg2.sql.

-- name: record_nobody_ended
SELECT set_config('provisioner.ended', '0', false);

-- name: end_sessions_of_tenant
-- Those that the current user may end. They are not waited for: the next look sees whether they are gone.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity LEFT JOIN pg_roles ON pg_roles.oid = usesysid
WHERE (datname = {database_name} OR usename = {login_role_name}) AND usesysid IS NOT NULL
    AND rolsuper IS NOT TRUE AND pid <> pg_backend_pid()
    AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'));

-- name: end_sessions_of_entering
-- A login in progress has passed its first check, and has no role in pg_stat_activity yet. In the tenant's database
-- every role that may end it does so; in any other only the tenant's login, which can end no session but its own. The
-- number of those ended is kept.
DO $end$
DECLARE
    entering integer;
    ended integer := current_setting('provisioner.ended');
BEGIN
    FOR entering IN
        SELECT DISTINCT pid FROM pg_locks
        WHERE locktype = 'object' AND database = 0 AND classid = 'pg_database'::regclass AND pid <> pg_backend_pid()
            AND (objid = (SELECT oid FROM pg_database WHERE datname = {database_name}) OR current_user = {login_role_name})
            AND NOT EXISTS (SELECT FROM pg_stat_activity AS known WHERE known.pid = pg_locks.pid AND usesysid IS NOT NULL)
    LOOP
        BEGIN
            IF pg_terminate_backend(entering) THEN ended := ended + 1; END IF;
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
    END LOOP;
    PERFORM set_config('provisioner.ended', ended::text, false);
END $end$;

-- name: find_strangers
-- Other roles with sessions in the database: other tenants' that the owner has let in, a service's.
SELECT DISTINCT rolname::text AS role
FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid
WHERE datname = {database_name} AND NOT rolsuper AND rolname NOT IN ({login_role_name}, {owner_role_name}, session_user)
ORDER BY role;

-- name: drop_idle_slots
-- A slot whose session is still ending is dropped the next time.
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = {database_name} AND NOT active;

-- name: find_ended
SELECT current_setting('provisioner.ended')::integer AS ended;

-- name: find_prepared_transactions
-- All in the tenant's database, and those of the tenant's roles in any other. Only a superuser can end those of a
-- dropped role.
SELECT gid, owner::text, database::text
FROM pg_prepared_xacts JOIN pg_roles ON rolname = owner
WHERE (database = {database_name} OR owner IN ({login_role_name}, {owner_role_name})) AND NOT rolsuper
ORDER BY database <> {database_name}, prepared, gid;

-- name: open_to_the_admin
-- An owner can lock the admin out of its database, too.
ALTER DATABASE {database} ALLOW_CONNECTIONS true;
ALTER DATABASE {database} CONNECTION LIMIT -1;
GRANT CONNECT ON DATABASE {database} TO SESSION_USER;
