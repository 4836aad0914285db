WITH failed AS (
    UPDATE control_plane.provisioning_steps
    SET status = 'failed', completed_at = clock_timestamp(), error_type = %(error_type)s,
        error_message = %(error_message)s, error_details = %(error_details)s
    WHERE job_id = %(job_id)s AND stage = %(stage)s AND attempt = %(attempt)s AND status = 'running'
    RETURNING attempt
)
INSERT INTO control_plane.audit_log (action, job_id, project_id, stage, details)
SELECT 'attempt failed', jobs.job_id, jobs.project_id, %(stage)s,
       jsonb_build_object('attempt', failed.attempt, 'error_type', %(error_type)s, 'error_message', %(error_message)s)
FROM failed, control_plane.jobs
WHERE jobs.job_id = %(job_id)s;
