SELECT project_id, organization_id, owner_id, region, status
FROM control_plane.projects
WHERE project_id = %(project_id)s
FOR UPDATE;
