-- What the ledger knows of projects and jobs, for the operator. Placeholders are %(name)s.

-- name: find_projects
-- One more than asked for tells that there are others.
SELECT projects.project_id, organization_id, region, projects.status, tenants.tenant_id, jobs.job_id, jobs.status AS job_status
FROM control_plane.projects
LEFT JOIN control_plane.jobs USING (job_id)
LEFT JOIN control_plane.tenants ON tenants.project_id = projects.project_id AND state IN ('active', 'suspended')
WHERE %(status)s::text IS NULL OR projects.status = %(status)s
ORDER BY projects.updated_at DESC, projects.project_id
LIMIT %(most)s + 1;

-- name: find_jobs
SELECT job_id, job_type, project_id, status, current_stage, progress_percent, created_at, completed_at
FROM control_plane.jobs
WHERE (%(project_id)s::text IS NULL OR project_id = %(project_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY created_at DESC, job_id
LIMIT %(most)s + 1;
