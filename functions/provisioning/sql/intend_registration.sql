INSERT INTO control_plane.service_registrations (project_id, service, job_id, idempotency_key)
VALUES (%(project_id)s, %(service)s, %(job_id)s, %(idempotency_key)s)
ON CONFLICT DO NOTHING;

SELECT job_id
FROM control_plane.service_registrations
WHERE project_id = %(project_id)s AND service = %(service)s AND job_id = %(job_id)s;
