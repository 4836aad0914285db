-- An operator's queries on the control plane about a project or a tenant. Placeholders are %(name)s.

-- name: find_project
SELECT projects.project_id, organization_id, owner_id, region, projects.status, is_protected, projects.created_at,
       projects.updated_at, job_id, jobs.job_type, jobs.status AS job_status
FROM control_plane.projects
LEFT JOIN control_plane.jobs USING (job_id)
WHERE projects.project_id = %(project_id)s;

-- name: find_tenants_of_project
-- The tenant in use first, then those still to be removed.
SELECT tenant_id, state, cluster_id, host, port, secret_arn, tenants.job_id, look_again_at,
       tenants.created_at
FROM control_plane.tenants
JOIN control_plane.clusters USING (cluster_id)
WHERE project_id = %(project_id)s AND state <> 'gone'
ORDER BY state IN ('active', 'suspended') DESC, created_at DESC;

-- name: find_registrations
SELECT tenant_id, service, status, endpoint
FROM control_plane.service_registrations
WHERE tenant_id = ANY (%(tenant_ids)s) AND status <> 'removed'
ORDER BY service;

-- name: find_api_keys
SELECT key_id::text, api_keys.tenant_id, kind, prefix, hint, api_keys.created_at, kept.revealed_at
FROM control_plane.api_keys
JOIN control_plane.tenants ON tenants.tenant_id = api_keys.tenant_id
LEFT JOIN control_plane.api_key_secrets AS kept ON (kept.tenant_id, kept.job_id) = (api_keys.tenant_id, api_keys.job_id)
WHERE project_id = %(project_id)s
ORDER BY api_keys.created_at, position;

-- name: find_job
SELECT job_id, job_type, status, payload FROM control_plane.jobs WHERE job_id = %(job_id)s;

-- name: find_signing_tenant
-- Whose secret signs a project's tokens, and since when they are valid.
SELECT tenant_id, secret_arn, created_at
FROM control_plane.tenants
WHERE project_id = %(project_id)s AND state IN ('active', 'suspended');

-- name: find_owners
-- The owners of these tenants. A tenant of the pool has no project, and one that the refill makes has no job.
SELECT tenants.tenant_id, state, tenants.cluster_id, host, port, tenants.job_id, jobs.status AS job_status,
       tenants.project_id, organization_id, owner_id
FROM control_plane.tenants
JOIN control_plane.clusters ON clusters.cluster_id = tenants.cluster_id
LEFT JOIN control_plane.projects ON projects.project_id = tenants.project_id
LEFT JOIN control_plane.jobs ON jobs.job_id = tenants.job_id
WHERE tenants.tenant_id = ANY (%(tenant_ids)s);

-- name: find_known
SELECT tenant_id FROM control_plane.tenants WHERE tenant_id = ANY (%(tenant_ids)s);
