-- The control plane's rows of registrations. Placeholders are %(name)s.

-- name: find_registrations_of_job
SELECT tenant_id, service FROM control_plane.service_registrations
WHERE job_id = %(job_id)s
ORDER BY tenant_id, created_at;

-- name: find_registrations_of_tenant
SELECT tenant_id, service FROM control_plane.service_registrations WHERE tenant_id = %(tenant_id)s ORDER BY created_at;

-- name: record_removed_registration
UPDATE control_plane.service_registrations SET status = 'removed' WHERE tenant_id = %(tenant_id)s AND service = %(service)s;
