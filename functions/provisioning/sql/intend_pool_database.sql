INSERT INTO control_plane.pool_databases (database_name, cluster_id, kind, schema_version)
VALUES (%(database_name)s, %(cluster_id)s, %(kind)s, %(schema_version)s);
