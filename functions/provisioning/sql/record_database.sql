UPDATE control_plane.tenant_databases
SET status = 'created', secret_arn = %(secret_arn)s
WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;

-- The entry of the pool that the database was until now.
DELETE FROM control_plane.pool_databases WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;
