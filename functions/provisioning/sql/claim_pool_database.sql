-- A job chooses where its database comes from once, with its first intent: what a later attempt finds half done was
-- begun that way. An entry that another job is about to take is passed over, not waited for.
WITH picked AS (
    SELECT database_name
    FROM control_plane.pool_databases
    WHERE cluster_id = %(cluster_id)s AND kind = 'entry' AND status = 'ready' AND job_id IS NULL
        AND schema_version = %(schema_version)s
        AND NOT EXISTS (SELECT FROM control_plane.tenant_databases WHERE job_id = %(job_id)s)
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
SELECT coalesce(
           (SELECT database_name FROM claimed),
           (SELECT database_name FROM control_plane.pool_databases WHERE job_id = %(job_id)s)
       ) AS entry,
       (
           SELECT database_name FROM control_plane.pool_databases
           WHERE cluster_id = %(cluster_id)s AND kind = 'template' AND status = 'ready'
               AND schema_version = %(schema_version)s
           LIMIT 1
       ) AS template;
