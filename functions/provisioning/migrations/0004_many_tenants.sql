-- What keeps a stage's round trips as short with thousands of tenants as with none.
CREATE INDEX tenant_databases_by_job ON control_plane.tenant_databases (job_id);
CREATE INDEX service_registrations_by_job ON control_plane.service_registrations (job_id, service);

-- How many more databases a cluster takes. A job holds its place from the moment it is opened until its database is gone.
CREATE VIEW control_plane.cluster_room AS
SELECT cluster_id,
       capacity - (
           SELECT count(*) FROM control_plane.tenant_databases AS made WHERE made.cluster_id = clusters.cluster_id
       ) - (
           SELECT count(*) FROM control_plane.jobs
           WHERE jobs.cluster_id = clusters.cluster_id AND jobs.status IN ('pending', 'running')
               AND NOT EXISTS (
                   SELECT FROM control_plane.tenant_databases AS made
                   WHERE made.project_id = jobs.project_id AND made.cluster_id = clusters.cluster_id)
       ) AS room
FROM control_plane.clusters;
