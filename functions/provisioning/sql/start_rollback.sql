-- From here on no forward attempt of this job can claim a stage or record an outcome.
WITH closed AS (
    UPDATE control_plane.jobs
    SET rollback_started_at = coalesce(rollback_started_at, now()), current_stage = 'rolling_back'
    WHERE job_id = %(job_id)s AND status = 'running'
    RETURNING job_id, project_id
)
INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
SELECT 'compensation started', job_id, project_id, jsonb_build_object('stages', %(stages)s::text[])
FROM closed;

UPDATE control_plane.provisioning_steps AS step
SET status = 'failed', completed_at = clock_timestamp(), error_type = 'UNKNOWN_ERROR',
    error_message = 'the attempt ended without recording an outcome'
FROM control_plane.jobs
WHERE step.job_id = %(job_id)s AND step.status = 'running'
    AND jobs.job_id = step.job_id AND jobs.rollback_started_at IS NOT NULL;

SELECT jobs.job_id, jobs.project_id, jobs.status AS job_status, jobs.payload, jobs.created_at, projects.organization_id,
       projects.owner_id, row_to_json(clusters) AS cluster, made.secret_arn
FROM control_plane.jobs
LEFT JOIN control_plane.projects USING (project_id)
LEFT JOIN control_plane.clusters USING (cluster_id)
LEFT JOIN control_plane.tenant_databases AS made ON made.job_id = jobs.job_id
WHERE jobs.job_id = %(job_id)s;
