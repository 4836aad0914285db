UPDATE control_plane.service_registrations
SET status = 'registered', external_id = %(external_id)s, endpoint = %(endpoint)s, registered_at = %(registered_at)s
WHERE job_id = %(job_id)s AND service = %(service)s AND current_setting('provisioner.recorded')::boolean;
