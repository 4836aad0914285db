-- What a job would be given, and what an opening job has been given. Placeholders are %(name)s.

-- name: begin_reading
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: find_next
-- The tenant that claim_tenant would claim (tenant/holding.sql).
SELECT tenant_id
FROM control_plane.tenants
WHERE cluster_id = %(cluster_id)s AND state = 'ready' AND fingerprint = %(fingerprint)s
ORDER BY created_at
LIMIT 1;

-- name: find_live
SELECT tenant_id, cluster_id, state,
       (SELECT coalesce(json_agg(service ORDER BY service), '[]') FROM control_plane.service_registrations AS registered
        WHERE registered.tenant_id = tenants.tenant_id AND status = 'registered') AS services
FROM control_plane.tenants
WHERE project_id = %(project_id)s AND state IN ('active', 'suspended');

-- name: find_taken
-- In the transaction that opens the job.
SELECT tenants.tenant_id, tenants.cluster_id, state,
       (SELECT coalesce(json_agg(service ORDER BY service), '[]') FROM control_plane.service_registrations AS registered
        WHERE registered.tenant_id = tenants.tenant_id AND status = 'registered') AS services
FROM control_plane.jobs
JOIN control_plane.tenants USING (tenant_id)
WHERE jobs.job_id = %(job_id)s;

-- name: find_rooms
SELECT cluster_id, region, engine, version, size, room
FROM control_plane.clusters
JOIN control_plane.cluster_room USING (cluster_id)
ORDER BY room DESC, cluster_id;
