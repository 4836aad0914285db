UPDATE control_plane.service_registrations
SET status = 'registered', external_id = %(external_id)s, endpoint = %(endpoint)s, registered_at = %(registered_at)s
WHERE project_id = %(project_id)s AND service = %(service)s AND job_id = %(job_id)s;
