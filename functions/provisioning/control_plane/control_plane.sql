-- The control plane's queries that several modules send. Placeholders are %(name)s.

-- name: begin
BEGIN;
-- name: commit
COMMIT;
-- name: rollback
ROLLBACK;

-- name: find_identity
SELECT control_plane_id::text FROM control_plane.identity;

-- name: record_cluster
INSERT INTO control_plane.clusters AS known
    (cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity)
VALUES (%(cluster_id)s, %(region)s, %(engine)s, %(version)s, %(size)s, %(host)s, %(port)s, %(admin_secret_id)s,
        %(capacity)s)
ON CONFLICT (cluster_id) DO UPDATE
    SET (region, engine, version, size, host, port, admin_secret_id, capacity) =
        (EXCLUDED.region, EXCLUDED.engine, EXCLUDED.version, EXCLUDED.size, EXCLUDED.host, EXCLUDED.port,
         EXCLUDED.admin_secret_id, EXCLUDED.capacity);

-- name: record_project
INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region)
VALUES (%(project_id)s, %(organization_id)s, %(owner_id)s, %(region)s)
ON CONFLICT (project_id) DO NOTHING
RETURNING project_id;

-- name: find_durability
SELECT current_setting('fsync') = 'on' AS is_durable;

-- name: find_clusters
SELECT cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity
FROM control_plane.clusters
ORDER BY cluster_id;

-- name: release_locks
SELECT pg_advisory_unlock_all();

-- name: record_deadline (seconds double precision)
-- The session publishes its attempt's deadline.
SELECT set_config(
    'application_name',
    'provisioner until ' || extract(epoch FROM clock_timestamp() + make_interval(secs => %(seconds)s)), false);

-- name: lock_keys (keys text[])
SELECT set_config('provisioner.held', bool_and(pg_try_advisory_lock(hashtextextended(key, 0)))::text, false)
FROM unnest(%(keys)s) AS key;

-- name: lock_keys_when_free
SELECT pg_advisory_lock(hashtextextended(key, 0)) FROM unnest(%(keys)s) AS key;

-- name: find_held
SELECT current_setting('provisioner.held')::boolean AS held;

-- name: end_sessions_of_overdue_holders
-- An attempt past its deadline is superseded, and its Lambda is dead or frozen. Ending its session keeps it from acting
-- if it resumes, because an attempt never reconnects. So is a holder without a deadline: every attempt commits one
-- before it acquires a lock. Only our own sessions are ended (locks.py).
SELECT pg_terminate_backend(holder.pid, 2000)
FROM unnest(%(keys)s) AS stage
CROSS JOIN LATERAL (SELECT hashtextextended(stage, 0) AS key) AS named
JOIN pg_locks AS holder
    ON holder.locktype = 'advisory'
    AND holder.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND holder.classid = ((named.key >> 32) & 4294967295)::oid
    AND holder.objid = (named.key & 4294967295)::oid
    AND holder.objsubid = 1
    AND holder.granted
    AND holder.pid <> pg_backend_pid()
JOIN pg_stat_activity AS session
    ON session.pid = holder.pid
    AND session.usename = session_user AND session.application_name ~ '^provisioner($| until )'
    AND coalesce(substring(session.application_name FROM '^provisioner until ([0-9]+\.?[0-9]*)$')::numeric, 0)
        < extract(epoch FROM clock_timestamp());
