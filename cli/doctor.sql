-- The queries of doctor on the control plane. Placeholders are %(name)s.

-- name: find_stopped_jobs
SELECT job_id FROM control_plane.jobs WHERE status = 'stopped' ORDER BY created_at;

-- name: find_rooms
SELECT cluster_id, room FROM control_plane.cluster_room;

-- name: find_tenants
-- Every tenant that is not gone. A tenant's database exists from ready on until it is removed. Reconcile runs every
-- minute; what a running job removes itself, it leaves to that job.
WITH looked AS (
    SELECT DISTINCT ON (tenant_id) tenant_id, details ->> 'error_message' AS refusal
    FROM control_plane.audit_log
    WHERE action = 'tenant looked at again'
    ORDER BY tenant_id, id DESC
)
SELECT tenants.tenant_id, cluster_id, state, state IN ('ready', 'claimed', 'active', 'suspended') AS has_database,
       state = 'removing' AND look_again_at < now() - interval '15 minutes' AND NOT EXISTS (
           SELECT FROM control_plane.jobs
           WHERE jobs.job_id = tenants.job_id AND jobs.status IN ('pending', 'running')) AS is_overdue,
       CASE state WHEN 'removing' THEN looked.refusal END AS refusal
FROM control_plane.tenants
LEFT JOIN looked USING (tenant_id)
WHERE state <> 'gone'
ORDER BY tenants.tenant_id;
