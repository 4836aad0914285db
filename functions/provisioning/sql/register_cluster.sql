INSERT INTO control_plane.clusters AS known
    (cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity)
VALUES (%(cluster_id)s, %(region)s, %(engine)s, %(version)s, %(size)s, %(host)s, %(port)s, %(admin_secret_id)s,
        %(capacity)s)
ON CONFLICT (cluster_id) DO UPDATE
    SET (region, engine, version, size, host, port, admin_secret_id, capacity) =
        (EXCLUDED.region, EXCLUDED.engine, EXCLUDED.version, EXCLUDED.size, EXCLUDED.host, EXCLUDED.port,
         EXCLUDED.admin_secret_id, EXCLUDED.capacity);
