UPDATE control_plane.tenant_databases
SET schema_version = %(version)s
WHERE project_id = %(project_id)s AND job_id = %(job_id)s;
