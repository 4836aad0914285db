-- What decides whether a job may be opened, and where. Placeholders are %(name)s.

-- name: find_opening (project_id text, job_id text, excludes text, region text, engine text, version text, size text, adds boolean)
-- What decides whether a job may be opened; the cluster with the most room comes first.
SELECT (
           SELECT json_build_object(
               'organization_id', organization_id, 'owner_id', owner_id, 'region', region, 'status', projects.status,
               'is_protected', is_protected,
               'tenant_id', (SELECT tenant_id FROM control_plane.tenants
                             WHERE tenants.project_id = projects.project_id AND state IN ('active', 'suspended')),
               'job', (SELECT json_build_object('job_id', jobs.job_id, 'job_type', jobs.job_type, 'status', jobs.status,
                                                'status_on_failure', jobs.status_on_failure)
                       FROM control_plane.jobs WHERE jobs.job_id = projects.job_id))
           FROM control_plane.projects WHERE project_id = %(project_id)s
       ) AS project,
       (
           SELECT json_build_object(
               'project_id', jobs.project_id, 'job_type', jobs.job_type, 'status', jobs.status, 'output', step.output,
               'organization_id', jobs.payload ->> 'organization_id', 'owner_id', jobs.payload ->> 'owner_id',
               'tenant_id', jobs.tenant_id, 'status_on_success', jobs.status_on_success)
           FROM control_plane.jobs
           LEFT JOIN control_plane.provisioning_steps AS step ON step.job_id = jobs.job_id AND step.position = 0
           WHERE jobs.job_id = %(job_id)s
       ) AS opened,
       (
           SELECT job_id FROM control_plane.jobs
           WHERE excludes = %(excludes)s AND status IN ('pending', 'running')
       ) AS running,
       (
           SELECT coalesce(json_agg(json_build_object('cluster_id', cluster_id, 'room', room) ORDER BY room DESC, cluster_id), '[]')
           FROM control_plane.clusters
           JOIN control_plane.cluster_room USING (cluster_id)
           WHERE region = %(region)s AND engine = %(engine)s AND version = %(version)s AND size = %(size)s
       ) AS clusters,
       -- Only for a job that adds something.
       (
           SELECT control_plane.usage_beside(organization_id, project_id)
           FROM control_plane.projects WHERE project_id = %(project_id)s AND %(adds)s
       ) AS usage;

-- name: find_places
-- What there is instead of what matches no cluster: the wanted region first.
SELECT string_agg(DISTINCT engine || ' ' || version || ' as ' || size, ', ') || ' in ' || region AS place
FROM control_plane.clusters
GROUP BY region
ORDER BY region = %(region)s DESC, bool_or((engine, version, size) = (%(engine)s, %(version)s, %(size)s)) DESC, region;
