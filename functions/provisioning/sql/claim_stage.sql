-- A statement of its own after the one that took the lock: it sees what was committed while the lock was not yet held.
WITH claimed AS (
    UPDATE control_plane.provisioning_steps AS step
    SET status = 'running', attempt = step.attempt + 1, started_at = now(), completed_at = NULL,
        intent = %(intent)s::jsonb || jsonb_build_object('tenant', jobs.tenant_names)
    FROM control_plane.jobs
    WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.status IN ('pending', 'running', 'failed')
        AND jobs.job_id = step.job_id AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL
        AND current_setting('provisioner.held')::boolean
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
-- For the statements of the same round trip that follow.
SELECT set_config('provisioner.attempt', coalesce(max(attempt)::text, ''), true),
       set_config('provisioner.declared', '{}', true)
FROM claimed;
