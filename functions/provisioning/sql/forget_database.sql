DELETE FROM control_plane.tenant_databases
WHERE project_id = %(project_id)s AND job_id = %(job_id)s;
