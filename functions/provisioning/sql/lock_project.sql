SELECT FROM control_plane.projects WHERE project_id = %(project_id)s FOR UPDATE;
