UPDATE control_plane.tenant_databases
SET status = 'created', secret_arn = %(secret_arn)s
WHERE project_id = %(project_id)s AND job_id = %(job_id)s;
