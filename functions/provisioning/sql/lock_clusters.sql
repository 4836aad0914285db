-- So that two jobs cannot both take the last place. What follows counts in a statement of its own: one that had waited
-- for the lock itself would still see what there was before it waited.
SELECT
FROM control_plane.clusters
WHERE region = %(region)s AND engine = %(engine)s AND version = %(version)s AND size = %(size)s
ORDER BY cluster_id
FOR UPDATE;
