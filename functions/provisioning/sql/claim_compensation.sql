UPDATE control_plane.provisioning_steps
SET deadline_at = now() + make_interval(secs => %(seconds)s)
WHERE job_id = %(job_id)s AND stage = ANY (%(stages)s);

SELECT stage, status, attempt, intent
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s AND stage = ANY (%(stages)s)
ORDER BY position;
