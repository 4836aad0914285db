SELECT 1 AS current
FROM control_plane.provisioning_steps AS step
JOIN control_plane.jobs USING (job_id)
WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.attempt = %(attempt)s AND step.status = 'running'
    AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL;
