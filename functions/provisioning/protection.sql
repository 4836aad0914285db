-- Whether a project is protected from jobs that may remove its tenant. Placeholders are %(name)s.

-- name: lock_protected
-- A statement of its own, so that the next one sees every job that has opened before.
SELECT FROM control_plane.projects WHERE project_id = %(project_id)s FOR UPDATE;

-- name: record_protection
-- A removal that has begun is not stopped by it, so the project is not marked before that has ended.
WITH changed AS (
    UPDATE control_plane.projects
    SET is_protected = %(is_protected)s, updated_at = now()
    WHERE project_id = %(project_id)s AND is_protected <> %(is_protected)s
        AND NOT (%(is_protected)s AND EXISTS (
            SELECT FROM control_plane.jobs
            WHERE jobs.job_id = projects.job_id AND removes_tenant
                AND jobs.status IN ('pending', 'running', 'stopped', 'rollback_incomplete')))
    RETURNING project_id, is_protected
)
INSERT INTO control_plane.audit_log (action, project_id, details)
SELECT CASE WHEN is_protected THEN 'project protected' ELSE 'project unprotected' END, project_id,
       jsonb_build_object('by', %(principal)s::text, 'session', %(session_name)s::text)
FROM changed;

-- name: find_protection
SELECT is_protected, job_id, jobs.status AS job_status
FROM control_plane.projects
LEFT JOIN control_plane.jobs USING (job_id)
WHERE projects.project_id = %(project_id)s;
