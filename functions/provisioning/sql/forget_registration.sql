DELETE FROM control_plane.service_registrations
WHERE project_id = %(project_id)s AND service = %(service)s AND job_id = %(job_id)s;
