-- The control plane's rows of registrations. Placeholders are %(name)s.

-- name: find_registrations_of_job
SELECT tenant_id, service FROM control_plane.service_registrations
WHERE job_id = %(job_id)s
ORDER BY tenant_id, created_at;

-- name: find_registrations_of_tenant
SELECT tenant_id, service FROM control_plane.service_registrations WHERE tenant_id = %(tenant_id)s ORDER BY created_at;

-- name: record_possible_registration
INSERT INTO control_plane.service_registrations (tenant_id, service, job_id)
VALUES (%(tenant_id)s, %(service)s, %(job_id)s)
ON CONFLICT DO NOTHING;

-- name: find_undeclared_registrations
SELECT tenants.tenant_id, wanted.service
FROM unnest(%(services)s::text[], %(stages)s::text[]) AS wanted (service, stage)
JOIN control_plane.provisioning_steps AS step ON step.stage = wanted.stage AND step.status <> 'skipped'
JOIN control_plane.tenants ON tenants.job_id = step.job_id AND tenants.state IN ('making', 'claimed', 'removing')
WHERE step.job_id = %(job_id)s
    AND NOT EXISTS (
        SELECT FROM control_plane.service_registrations AS declared
        WHERE declared.tenant_id = tenants.tenant_id AND declared.service = wanted.service);

-- name: record_removed_registration
UPDATE control_plane.service_registrations SET status = 'removed' WHERE tenant_id = %(tenant_id)s AND service = %(service)s;

-- name: find_standing_registrations
SELECT tenant_id, service FROM control_plane.service_registrations
WHERE tenant_id = %(tenant_id)s AND status = 'registered'
ORDER BY created_at, service;
