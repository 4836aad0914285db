SELECT job_id, project_id, status, current_stage AS stage, progress_percent AS percent, attempts
FROM control_plane.jobs
WHERE job_id = ANY (%(job_ids)s);
