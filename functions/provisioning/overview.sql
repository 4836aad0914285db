-- What the execution view lists: jobs, projects and one tenant, as the control plane has them. Placeholders are %(name)s.

-- name: find_listed_jobs
-- One more than asked for tells that there are others. A job waits for its next attempt when a stage has failed, none is
-- running and no rollback has begun.
SELECT jobs.job_id, job_type, jobs.project_id, jobs.status, current_stage, progress_percent, last_error_message,
       failed_stage, rollback_started_at IS NOT NULL AS is_rolled_back, created_at, jobs.started_at, jobs.completed_at,
       waiting.stage AS waiting_stage, waiting.attempt AS waiting_after, waiting.completed_at AS waiting_since,
       waiting.error_message AS waiting_for
FROM control_plane.jobs
LEFT JOIN LATERAL (
    SELECT stage, attempt, completed_at, error_message
    FROM control_plane.provisioning_steps AS step
    WHERE step.job_id = jobs.job_id AND step.status = 'failed' AND jobs.status = 'running'
        AND jobs.rollback_started_at IS NULL
        AND NOT EXISTS (
            SELECT FROM control_plane.provisioning_steps AS other
            WHERE other.job_id = jobs.job_id AND other.status = 'running')
    ORDER BY position
    LIMIT 1
) AS waiting ON true
WHERE (%(job_type)s::text IS NULL OR job_type = %(job_type)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (NOT %(is_waiting)s OR status = 'running' AND waiting.stage IS NOT NULL)
    AND (%(standing_at)s::text IS NULL OR status IN ('pending', 'running') AND current_stage = %(standing_at)s)
    AND (%(project_id)s::text IS NULL OR jobs.project_id = %(project_id)s)
    AND (%(search)s::text IS NULL OR strpos(lower(jobs.project_id), lower(%(search)s)) > 0
        OR strpos(lower(jobs.job_id), lower(%(search)s)) > 0)
    AND (%(after)s::timestamptz IS NULL OR (created_at, jobs.job_id) < (%(after)s, %(after_name)s))
ORDER BY created_at DESC, jobs.job_id DESC
LIMIT %(most)s + 1;

-- name: find_standing
-- How many unfinished jobs stand at which stage.
SELECT current_stage AS stage, count(*) AS jobs
FROM control_plane.jobs
WHERE status IN ('pending', 'running')
GROUP BY current_stage
ORDER BY count(*) DESC, current_stage;

-- name: find_listed_projects
-- One more than asked for tells that there are others.
SELECT projects.project_id, organization_id, projects.region, projects.status, is_protected, tenants.tenant_id,
       tenants.state AS tenant_state, host, port,
       ARRAY(
           SELECT service FROM control_plane.service_registrations AS registration
           WHERE registration.tenant_id = tenants.tenant_id AND registration.status = 'registered'
           ORDER BY service) AS services,
       latest.job_id, latest.job_type, latest.status AS job_status, latest.created_at AS job_created_at,
       projects.created_at
FROM control_plane.projects
LEFT JOIN control_plane.tenants ON tenants.project_id = projects.project_id AND state IN ('active', 'suspended')
LEFT JOIN control_plane.clusters USING (cluster_id)
LEFT JOIN LATERAL (
    SELECT job_id, job_type, status, created_at
    FROM control_plane.jobs
    WHERE jobs.project_id = projects.project_id
    ORDER BY created_at DESC
    LIMIT 1
) AS latest ON true
WHERE (%(status)s::text IS NULL OR projects.status = %(status)s)
    AND (%(search)s::text IS NULL OR strpos(lower(projects.project_id), lower(%(search)s)) > 0
        OR strpos(lower(organization_id), lower(%(search)s)) > 0 OR tenants.tenant_id = lower(%(search)s))
    AND (%(after)s::timestamptz IS NULL OR (projects.created_at, projects.project_id) < (%(after)s, %(after_name)s))
ORDER BY projects.created_at DESC, projects.project_id DESC
LIMIT %(most)s + 1;

-- name: find_tenant
SELECT tenants.tenant_id, state, tenants.project_id, cluster_id, region, host, port, schema_version, server_fingerprint,
       secret_arn, tenants.job_id, tenants.created_at, claimed_at
FROM control_plane.tenants
JOIN control_plane.clusters USING (cluster_id)
WHERE tenant_id = %(tenant_id)s;
