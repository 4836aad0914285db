UPDATE control_plane.tenant_databases
SET schema_version = %(version)s
WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;
