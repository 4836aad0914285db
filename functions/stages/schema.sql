-- What "Create tenant schema" records. Placeholders are %(name)s.

-- name: record_schema (tenant_id text, job_id text, version integer, prepared jsonb)
UPDATE control_plane.tenants
SET schema_version = %(version)s, prepared = %(prepared)s
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;
