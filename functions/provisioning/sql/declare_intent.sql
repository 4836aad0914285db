UPDATE control_plane.provisioning_steps AS step
SET intent = %(intent)s
FROM control_plane.jobs
WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.attempt = %(attempt)s AND step.status = 'running'
    AND jobs.job_id = step.job_id AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL
RETURNING step.attempt;
