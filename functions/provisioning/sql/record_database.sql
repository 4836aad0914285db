UPDATE control_plane.tenant_databases AS made
SET status = 'created', secret_arn = %(secret_arn)s,
    prepared = (
        SELECT prepared FROM control_plane.pool_databases AS entry
        WHERE entry.job_id = made.job_id AND entry.database_name = %(entry)s)
WHERE made.job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;

-- The entry of the pool that the database was until now.
DELETE FROM control_plane.pool_databases WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;
