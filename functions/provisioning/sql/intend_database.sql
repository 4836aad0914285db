-- A job chooses where its database comes from once, with its first intent: what a later attempt finds half done was
-- begun that way. An entry that another job is about to take is passed over, not waited for.
WITH intended AS (
    INSERT INTO control_plane.tenant_databases
        (project_id, job_id, cluster_id, database_name, owner_role, login_role, secret_name, storage_gb)
    SELECT project_id, job_id, cluster_id, tenant_names ->> 'database', tenant_names ->> 'owner_role',
           tenant_names ->> 'login_role', tenant_names ->> 'secret', (payload -> 'database' ->> 'storage_gb')::integer
    FROM control_plane.jobs
    WHERE job_id = %(job_id)s AND current_setting('provisioner.attempt') <> ''
    ON CONFLICT DO NOTHING
    RETURNING job_id, cluster_id
), picked AS (
    SELECT database_name
    FROM control_plane.pool_databases
    WHERE cluster_id = (SELECT cluster_id FROM intended) AND kind = 'entry' AND status = 'ready'
        AND pool_databases.job_id IS NULL AND schema_version = %(schema_version)s
    ORDER BY created_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE control_plane.pool_databases AS entry
    SET job_id = %(job_id)s
    FROM picked
    WHERE entry.database_name = picked.database_name
    RETURNING entry.database_name
)
SELECT set_config('provisioner.declared', json_build_object(
           'held', EXISTS (SELECT FROM intended) OR EXISTS (
               SELECT FROM control_plane.tenant_databases AS made
               WHERE made.job_id = jobs.job_id AND made.database_name = jobs.tenant_names ->> 'database'),
           'entry', coalesce(
               (SELECT database_name FROM claimed),
               (SELECT database_name FROM control_plane.pool_databases WHERE pool_databases.job_id = jobs.job_id)),
           'template', (
               SELECT database_name FROM control_plane.pool_databases
               WHERE cluster_id = jobs.cluster_id AND kind = 'template' AND status = 'ready'
                   AND schema_version = %(schema_version)s
               LIMIT 1)
       )::text, true)
FROM control_plane.jobs
WHERE job_id = %(job_id)s;
