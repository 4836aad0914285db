-- What the registrations record. Placeholders are %(name)s.

-- name: record_intended_registration (job_id text, service text)
INSERT INTO control_plane.service_registrations (tenant_id, service, job_id)
SELECT tenant_id, %(service)s, job_id
FROM control_plane.tenants
WHERE job_id = %(job_id)s AND state IN ('making', 'claimed') AND current_setting('provisioner.attempt') <> ''
ON CONFLICT DO NOTHING;

-- name: record_registration (tenant_id text, service text, endpoint text, registered_at timestamptz)
UPDATE control_plane.service_registrations
SET status = 'registered', endpoint = %(endpoint)s, registered_at = %(registered_at)s
WHERE tenant_id = %(tenant_id)s AND service = %(service)s AND current_setting('provisioner.recorded')::boolean;
