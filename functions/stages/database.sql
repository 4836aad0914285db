-- What "Create tenant database" records. Placeholders are %(name)s.

-- name: record_database (tenant_id text, job_id text, secret_arn text, is_prepared boolean)
UPDATE control_plane.tenants
SET secret_arn = %(secret_arn)s, prepared = CASE WHEN %(is_prepared)s THEN prepared END
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;
