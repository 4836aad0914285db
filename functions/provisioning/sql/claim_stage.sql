WITH claimed AS (
    UPDATE control_plane.provisioning_steps AS step
    SET status = 'running', attempt = step.attempt + 1, started_at = now(), completed_at = NULL
    FROM control_plane.jobs
    WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.status IN ('pending', 'running', 'failed')
        AND jobs.job_id = step.job_id AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL
    RETURNING step.attempt
), noted AS (
    UPDATE control_plane.jobs
    SET current_stage = %(stage)s, attempts = greatest(jobs.attempts, claimed.attempt)
    FROM claimed
    WHERE jobs.job_id = %(job_id)s
), recorded AS (
    INSERT INTO control_plane.audit_log (action, job_id, project_id, stage, details)
    SELECT 'attempt started', jobs.job_id, jobs.project_id, %(stage)s, jsonb_build_object('attempt', claimed.attempt)
    FROM claimed, control_plane.jobs
    WHERE jobs.job_id = %(job_id)s
)
SELECT jobs.job_id, jobs.project_id, jobs.status AS job_status, jobs.rollback_started_at, jobs.payload, jobs.created_at,
       projects.organization_id, projects.owner_id, row_to_json(clusters) AS cluster,
       made.secret_arn,
       step.status AS step_status, step.output, claimed.attempt
FROM control_plane.jobs
LEFT JOIN control_plane.projects USING (project_id)
LEFT JOIN control_plane.clusters USING (cluster_id)
LEFT JOIN control_plane.tenant_databases AS made ON made.job_id = jobs.job_id
LEFT JOIN control_plane.provisioning_steps AS step ON step.job_id = jobs.job_id AND step.stage = %(stage)s
LEFT JOIN claimed ON true
WHERE jobs.job_id = %(job_id)s;
