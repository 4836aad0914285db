-- How a job whose execution has stopped is recorded. Placeholders are %(name)s.

-- name: record_stopped
-- The job and its project keep what they hold, for the rollback. The stage is the latest in flight or with an error.
WITH stopped AS (
    INSERT INTO control_plane.jobs AS job
        (job_id, job_type, project_id, execution_arn, status, last_error_type, last_error_message, completed_at,
         started_by)
    VALUES (%(job_id)s, %(job_type)s, %(project_id)s, %(execution_arn)s, 'stopped', %(error_type)s, %(error_message)s,
            clock_timestamp(), control_plane.starter_of(%(job_id)s))
    ON CONFLICT (job_id) DO UPDATE
        SET status = EXCLUDED.status, completed_at = EXCLUDED.completed_at, last_error_type = EXCLUDED.last_error_type,
            last_error_message = EXCLUDED.last_error_message,
            failed_stage = coalesce(
                (
                    SELECT stage FROM control_plane.provisioning_steps AS step
                    WHERE step.job_id = job.job_id AND (step.status = 'running' OR step.error_type IS NOT NULL)
                    ORDER BY started_at DESC NULLS LAST
                    LIMIT 1
                ), (
                    SELECT stage FROM control_plane.provisioning_steps AS step
                    WHERE step.job_id = job.job_id AND step.stage = job.current_stage
                ))
        -- The name may be that of another type's job, or of one that Step Functions has forgotten (jobs/reused_names.py).
        WHERE job.status IN ('pending', 'running') AND job.job_type = EXCLUDED.job_type
            AND coalesce(job.started_at > to_timestamp(%(execution_started_at)s) - interval '89 days', true)
    RETURNING job_id, project_id
), ended AS (
    UPDATE control_plane.provisioning_steps AS step
    SET status = 'failed', completed_at = clock_timestamp(), error_type = coalesce(step.error_type, %(error_type)s),
        error_message = coalesce(step.error_message, %(error_message)s)
    FROM stopped
    WHERE step.job_id = stopped.job_id AND step.status = 'running'
), recorded AS (
    INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
    SELECT 'job stopped', job_id, project_id, jsonb_build_object('error_message', %(error_message)s::text)
    FROM stopped
)
SELECT job_id FROM stopped;
