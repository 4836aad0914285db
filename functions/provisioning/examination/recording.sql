-- What has been found wrong with the clusters. Placeholders are %(name)s.

-- name: find_due_examinations
SELECT cluster_id
FROM control_plane.clusters
LEFT JOIN control_plane.cluster_examinations USING (cluster_id)
WHERE coalesce(examined_at <= now() - %(minutes)s * interval '1 minute', true)
ORDER BY examined_at NULLS FIRST, cluster_id;

-- name: record_examination
INSERT INTO control_plane.cluster_examinations (cluster_id, examined_at, server_version, connections, findings)
SELECT cluster_id, now(), %(server_version)s, %(connections)s, %(findings)s
FROM control_plane.clusters
WHERE cluster_id = %(cluster_id)s
ON CONFLICT (cluster_id) DO UPDATE
    SET (examined_at, server_version, connections, findings) =
        (EXCLUDED.examined_at, EXCLUDED.server_version, EXCLUDED.connections, EXCLUDED.findings);

-- name: find_examined
-- Every cluster, or one, with its room, its pool and its last examination.
SELECT clusters.cluster_id, region, engine, version, size, host, port, capacity, greatest(room, 0) AS room, pool_size,
       (SELECT count(*) FROM control_plane.tenants
        WHERE tenants.cluster_id = clusters.cluster_id AND state = 'ready') AS ready,
       examined_at, server_version, connections, findings
FROM control_plane.clusters
JOIN control_plane.cluster_room USING (cluster_id)
LEFT JOIN control_plane.cluster_examinations USING (cluster_id)
WHERE clusters.cluster_id = coalesce(%(cluster_id)s::text, clusters.cluster_id)
ORDER BY clusters.cluster_id;
