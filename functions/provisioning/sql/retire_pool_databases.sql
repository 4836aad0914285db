-- What an interrupted refill left, and what is of another schema version. A job's entry is that job's affair.
UPDATE control_plane.pool_databases
SET status = 'removing'
WHERE cluster_id = %(cluster_id)s AND job_id IS NULL
    AND (status <> 'ready' OR schema_version <> %(schema_version)s)
RETURNING database_name;
