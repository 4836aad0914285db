-- What an organization may have. Placeholders are %(name)s.

-- name: claim_organization (project_id text)
-- Makes the row of the project's organization on its first use. An existing row is locked and stays as it is: ON CONFLICT
-- locks also a row that its WHERE leaves out. The count is a separate statement: one that had waited for the lock itself
-- would still see the data from before it waited.
INSERT INTO control_plane.organizations AS known (organization_id)
SELECT organization_id FROM control_plane.projects WHERE project_id = %(project_id)s
ON CONFLICT (organization_id) DO UPDATE SET created_at = known.created_at WHERE false;

-- name: record_organization
INSERT INTO control_plane.organizations (organization_id) VALUES (%(organization_id)s)
ON CONFLICT (organization_id) DO NOTHING;

-- name: find_usage
SELECT control_plane.usage_beside(%(organization_id)s, %(project_id)s) AS usage;

-- name: record_limits
UPDATE control_plane.organizations
SET projects = coalesce(%(projects)s, projects), jobs_an_hour = coalesce(%(jobs_an_hour)s, jobs_an_hour),
    storage_gb = coalesce(%(storage_gb)s, storage_gb)
WHERE organization_id = %(organization_id)s;
