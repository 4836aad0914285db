INSERT INTO control_plane.service_registrations (project_id, service, job_id, idempotency_key)
SELECT project_id, %(service)s, job_id, %(idempotency_key)s
FROM control_plane.jobs
WHERE job_id = %(job_id)s AND current_setting('provisioner.attempt') <> ''
ON CONFLICT DO NOTHING;

SELECT set_config('provisioner.declared', json_build_object('held', EXISTS (
    SELECT FROM control_plane.service_registrations WHERE job_id = %(job_id)s AND service = %(service)s))::text, true);
