-- Entries wanted beyond those that there are: never more than the room that tenants and running jobs leave.
SELECT (
           SELECT database_name FROM control_plane.pool_databases
           WHERE cluster_id = clusters.cluster_id AND kind = 'template' AND status = 'ready'
               AND schema_version = %(schema_version)s
           LIMIT 1
       ) AS template,
       (
           SELECT count(*) FROM control_plane.pool_databases
           WHERE cluster_id = clusters.cluster_id AND kind = 'entry' AND status = 'ready' AND job_id IS NULL
       ) AS ready,
       least(
           coalesce((SELECT size FROM control_plane.pool_sizes WHERE pool_sizes.cluster_id = clusters.cluster_id),
                    %(size)s),
           (SELECT room FROM control_plane.cluster_room WHERE cluster_room.cluster_id = clusters.cluster_id)
       ) - (
           SELECT count(*) FROM control_plane.pool_databases
           WHERE cluster_id = clusters.cluster_id AND kind = 'entry' AND job_id IS NULL
       ) AS wanted
FROM control_plane.clusters
WHERE cluster_id = %(cluster_id)s;
