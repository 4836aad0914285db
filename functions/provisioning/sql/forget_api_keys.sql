DELETE FROM control_plane.api_keys
WHERE project_id = %(project_id)s AND job_id = %(job_id)s
RETURNING key_id::text;
