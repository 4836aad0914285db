-- The control plane's rows of registrations whose tenants upkeep repairs. Placeholders are %(name)s.

-- name: find_due_repairs
-- A tenant that a job works on has its turn afterwards.
SELECT registration.service, registration.repaired_to, document AS tenant
FROM control_plane.service_registrations AS registration
JOIN control_plane.tenants USING (tenant_id)
JOIN control_plane.tenant_documents USING (tenant_id)
WHERE registration.service = ANY (%(services)s) AND registration.status = 'registered' AND tenants.state = 'active'
    AND (registration.looked_at IS NULL OR registration.looked_at < now() - %(look_seconds)s * interval '1 second')
    AND NOT EXISTS (
        SELECT FROM control_plane.jobs
        WHERE jobs.project_id = tenants.project_id AND jobs.status IN ('pending', 'running'))
ORDER BY registration.looked_at NULLS FIRST, tenant_id, registration.service
LIMIT %(limit)s;

-- name: record_turn
-- Before the turn, so that one whose process dies does not come first again and again.
UPDATE control_plane.service_registrations SET looked_at = now() WHERE tenant_id = %(tenant_id)s AND service = %(service)s;

-- name: find_idle
SELECT state = 'active' AND NOT EXISTS (
           SELECT FROM control_plane.jobs
           WHERE jobs.project_id = tenants.project_id AND jobs.status IN ('pending', 'running')) AS is_active
FROM control_plane.tenants
WHERE tenant_id = %(tenant_id)s;

-- name: record_repaired
UPDATE control_plane.service_registrations
SET repaired_to = %(version)s
WHERE tenant_id = %(tenant_id)s AND service = %(service)s;
