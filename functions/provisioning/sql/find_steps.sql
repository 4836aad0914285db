SELECT stage, status, attempt, started_at, completed_at, error_type, error_message
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s
ORDER BY position;
