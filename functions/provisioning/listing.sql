-- What the ledger knows of projects and jobs, newest first. Placeholders are %(name)s.

-- name: find_projects
-- One more than asked for tells that there are others.
SELECT projects.project_id, organization_id, owner_id, region, projects.status, is_protected, tenants.tenant_id,
       jobs.job_id, jobs.status AS job_status, projects.created_at, projects.updated_at
FROM control_plane.projects
LEFT JOIN control_plane.jobs USING (job_id)
LEFT JOIN control_plane.tenants ON tenants.project_id = projects.project_id AND state IN ('active', 'suspended')
WHERE (%(status)s::text IS NULL OR projects.status = %(status)s)
    AND (%(after)s::timestamptz IS NULL OR (projects.created_at, projects.project_id) < (%(after)s, %(after_name)s))
ORDER BY projects.created_at DESC, projects.project_id DESC
LIMIT %(most)s + 1;

-- name: find_jobs
SELECT job_id, job_type, project_id, status, current_stage, progress_percent, created_at, completed_at
FROM control_plane.jobs
WHERE (%(project_id)s::text IS NULL OR project_id = %(project_id)s)
    AND (%(job_type)s::text IS NULL OR job_type = %(job_type)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(outcome)s::text IS NULL OR status = %(outcome)s AND status NOT IN ('pending', 'running'))
    AND (%(after)s::timestamptz IS NULL OR (created_at, job_id) < (%(after)s, %(after_name)s))
ORDER BY created_at DESC, job_id DESC
LIMIT %(most)s + 1;
