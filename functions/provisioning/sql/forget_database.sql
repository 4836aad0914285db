DELETE FROM control_plane.tenant_databases
WHERE project_id = %(project_id)s AND job_id = %(job_id)s;

DELETE FROM control_plane.pool_databases WHERE job_id = %(job_id)s;
