SELECT database_name FROM control_plane.pool_databases WHERE job_id = %(job_id)s;
