WITH succeeded AS (
    UPDATE control_plane.provisioning_steps AS step
    SET status = 'succeeded', completed_at = clock_timestamp(), output = %(output)s,
        error_type = NULL, error_message = NULL, error_details = NULL
    FROM control_plane.jobs
    JOIN control_plane.projects ON projects.project_id = jobs.project_id AND projects.job_id = jobs.job_id
        AND projects.status = 'provisioning'
    WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.attempt = %(attempt)s
        AND step.status = 'running'
        AND jobs.job_id = step.job_id AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL
    RETURNING step.attempt
), recorded AS (
    INSERT INTO control_plane.audit_log (action, job_id, project_id, stage, details)
    SELECT 'stage succeeded', jobs.job_id, jobs.project_id, %(stage)s, jsonb_build_object('attempt', succeeded.attempt)
    FROM succeeded, control_plane.jobs
    WHERE jobs.job_id = %(job_id)s
), progressed AS (
    -- The steps of one statement do not see each other's changes: this one is counted by hand.
    UPDATE control_plane.jobs
    SET progress_percent = greatest(jobs.progress_percent, done.percent)
    FROM succeeded, (
        SELECT 100 * count(*) FILTER (WHERE status IN ('succeeded', 'skipped') OR stage = %(stage)s) / count(*) AS percent
        FROM control_plane.provisioning_steps
        WHERE job_id = %(job_id)s
    ) AS done
    WHERE jobs.job_id = %(job_id)s
)
-- What follows in the same transaction records its work only if this has recorded the outcome.
SELECT set_config('provisioner.recorded', EXISTS (SELECT FROM succeeded)::text, false);
