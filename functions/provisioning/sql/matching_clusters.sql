-- Locks the matching clusters, so that two jobs cannot both take the last place. A job holds its place from the
-- moment it is opened until its database is gone. The count is a statement of its own: one that had waited for the
-- lock itself would still see what there was before it waited.
SELECT cluster_id
FROM control_plane.clusters
WHERE region = %(region)s AND engine = %(engine)s AND version = %(version)s AND size = %(size)s
ORDER BY cluster_id
FOR UPDATE;

SELECT matching.cluster_id,
       matching.capacity - (
           SELECT count(*)
           FROM (
               SELECT project_id FROM control_plane.tenant_databases AS made
               WHERE made.cluster_id = matching.cluster_id
               UNION
               SELECT project_id FROM control_plane.jobs
               WHERE jobs.cluster_id = matching.cluster_id AND jobs.status IN ('pending', 'running')
           ) AS taken
       ) AS room
FROM control_plane.clusters AS matching
WHERE region = %(region)s AND engine = %(engine)s AND version = %(version)s AND size = %(size)s
ORDER BY room DESC, cluster_id;
