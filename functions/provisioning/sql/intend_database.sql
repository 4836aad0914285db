INSERT INTO control_plane.tenant_databases
    (project_id, job_id, cluster_id, database_name, owner_role, login_role, secret_name, storage_gb)
VALUES (%(project_id)s, %(job_id)s, %(cluster_id)s, %(database_name)s, %(owner_role)s, %(login_role)s,
        %(secret_name)s, %(storage_gb)s)
ON CONFLICT DO NOTHING;

SELECT job_id
FROM control_plane.tenant_databases
WHERE project_id = %(project_id)s AND job_id = %(job_id)s AND database_name = %(database_name)s;
