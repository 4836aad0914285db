-- What decides whether a job may be opened; the cluster with the most room comes first.
SELECT (SELECT row_to_json(projects) FROM control_plane.projects WHERE project_id = %(project_id)s) AS project,
       (SELECT row_to_json(jobs) FROM control_plane.jobs WHERE job_id = %(job_id)s) AS opened,
       (
           SELECT job_id FROM control_plane.jobs
           WHERE project_id = %(project_id)s AND status IN ('pending', 'running')
       ) AS running,
       (
           SELECT coalesce(json_agg(matching ORDER BY room DESC, cluster_id), '[]')
           FROM (
               SELECT cluster_id, room
               FROM control_plane.clusters
               JOIN control_plane.cluster_room USING (cluster_id)
               WHERE region = %(region)s AND engine = %(engine)s AND version = %(version)s AND size = %(size)s
           ) AS matching
       ) AS clusters;
