SELECT cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity
FROM control_plane.clusters
ORDER BY cluster_id;
