SELECT job_id
FROM control_plane.jobs
WHERE project_id = %(project_id)s AND status IN ('pending', 'running');
