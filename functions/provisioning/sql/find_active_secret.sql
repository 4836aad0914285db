WITH active AS (
    SELECT projects.project_id, made.job_id, made.secret_name AS name
    FROM control_plane.projects
    JOIN control_plane.tenant_databases AS made USING (project_id)
    WHERE projects.project_id = %(project_id)s AND projects.status = 'active'
), recorded AS (
    INSERT INTO control_plane.audit_log (action, job_id, project_id)
    SELECT 'API keys revealed', job_id, project_id FROM active
)
SELECT name FROM active;
