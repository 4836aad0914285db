INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region)
VALUES (%(project_id)s, %(organization_id)s, %(owner_id)s, %(region)s)
ON CONFLICT (project_id) DO NOTHING;
