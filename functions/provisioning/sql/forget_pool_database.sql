DELETE FROM control_plane.pool_databases
WHERE database_name = %(database_name)s AND job_id IS NULL AND status = 'removing';
