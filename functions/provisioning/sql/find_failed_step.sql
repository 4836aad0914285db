SELECT stage, attempt, error_type, error_message
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s AND error_type IS NOT NULL
ORDER BY error_message = %(message)s DESC, started_at DESC
LIMIT 1;
