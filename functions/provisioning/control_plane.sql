-- What everybody asks of the control plane. Placeholders are %(name)s.

-- name: begin
BEGIN;
-- name: commit
COMMIT;
-- name: rollback
ROLLBACK;

-- name: find_identity
SELECT control_plane_id::text FROM control_plane.identity;

-- name: record_cluster
INSERT INTO control_plane.clusters AS known
    (cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity)
VALUES (%(cluster_id)s, %(region)s, %(engine)s, %(version)s, %(size)s, %(host)s, %(port)s, %(admin_secret_id)s,
        %(capacity)s)
ON CONFLICT (cluster_id) DO UPDATE
    SET (region, engine, version, size, host, port, admin_secret_id, capacity) =
        (EXCLUDED.region, EXCLUDED.engine, EXCLUDED.version, EXCLUDED.size, EXCLUDED.host, EXCLUDED.port,
         EXCLUDED.admin_secret_id, EXCLUDED.capacity);

-- name: record_project
INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region)
VALUES (%(project_id)s, %(organization_id)s, %(owner_id)s, %(region)s)
ON CONFLICT (project_id) DO NOTHING;

-- name: find_clusters
SELECT cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity
FROM control_plane.clusters
ORDER BY cluster_id;

-- name: release_locks
SELECT pg_advisory_unlock_all();
