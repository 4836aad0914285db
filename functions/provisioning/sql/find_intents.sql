SELECT stage, intent
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s AND stage = ANY (%(stages)s)
ORDER BY position;
